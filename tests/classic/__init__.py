"""Classic deploys: real proxies and scripts on this machine."""
