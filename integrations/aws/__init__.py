"""Amazon Web Services: traffic through an Application Load Balancer, and what CloudFront keeps of a service."""
