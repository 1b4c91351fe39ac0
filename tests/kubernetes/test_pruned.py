"""Back to what the cluster has thrown away."""

import pytest

from bot.domain.evidence import Outcome
from integrations.kubernetes.api import Api
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.namespaces import Namespace
from sandbox.clusters.shop_images import WEB
from tests.kubernetes.steps import KEY, annotations, change_to, images, walk
from tests.kubernetes.world import Shop, until

pytestmark = pytest.mark.kubernetes


@pytest.fixture
def shop(space: Namespace, api: Api) -> Shop:
    return Shop(space, api, replicas=1, extra={"revisionHistoryLimit": 1})


async def test_a_version_that_the_cluster_has_pruned_runs_again_from_kaerus_own_record(
    target: KubernetesTarget, shop: Shop
) -> None:
    shop.replicas = 0  # until the last one: what is in the history needs no pods
    for version in ("v1.2.8", "v1.2.9", "v1.3.0", "v1.3.1"):
        await shop.recorded(version)
        await shop.second_over()
        why = f"release {version} of the shop, DB_PASSWORD=hunter2"
        await shop.annotate(**{"kubernetes.io/change-cause": why})
        seen = await target.inspect()
        assert seen.current == version
    await shop.scale(1)
    await shop.rolled_out()

    async def pruned() -> bool:
        """Only the present one and the one before it are left."""
        kept = await shop.listed("replicasets")
        return {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in kept} == {
            f"{WEB}:v1.3.0",
            f"{WEB}:v1.3.1",
        }

    await until(pruned, "pruned")
    seen = await target.inspect()
    by_version = {one.version: one for one in seen.available}
    assert set(by_version) == {"v1.3.1", "v1.3.0", "v1.2.9", "v1.2.8"}
    # Why it was released, with no value that looks like a secret's.
    assert "release v1.3.1 of the shop, DB_PASSWORD=…" in by_version["v1.3.1"].note
    for version, revision in (("v1.3.0", 3), ("v1.2.9", None), ("v1.2.8", None)):
        assert by_version[version].revision == revision
        record = "not in the cluster's history any more; from kaeru's own record"
        assert (record in by_version[version].note) is (revision is None)
    assert "hunter2" not in seen.model_dump_json()

    change = await change_to(target, "v1.2.9")
    plan = await target.plan(change)
    assert [check for check in plan.checks if not check.ok] == []
    assert "with the pod template of kaeru's own record" in plan.actions[0]
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await images(shop) == {f"{WEB}:v1.2.9"}
    workload = await shop.workload()
    assert annotations(workload)["kubernetes.io/change-cause"] == f"kaeru: back to v1.2.9 ({KEY})"
    again = await target.inspect()
    assert again.current_ref == change.to_ref
    assert "revision 5" in next(a.note for a in again.available if a.version == "v1.2.9")
