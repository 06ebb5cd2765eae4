"""The systemd unit and the Kubernetes manifests, judged by the programs and schemas that read them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.front import SHIPPED
from tests.servers import program

ANALYZE = program("systemd-analyze")
UNIT = SHIPPED / "incident-portal@.service"
MANIFESTS = [
    each for file in sorted((SHIPPED / "kubernetes").iterdir()) for each in yaml.safe_load_all(file.read_text())
]
LISTED = set(re.findall(r"^(?:# )?([A-Z_]+)=", (SHIPPED.parent / ".env.example").read_text(), re.MULTILINE))


@pytest.mark.long
@pytest.mark.skipif(not ANALYZE and "CI" not in os.environ, reason="no systemd-analyze: apt-get install systemd")
def test_the_unit_is_one_and_gives_the_product_no_right_that_it_can_do_without(tmp_path: Path) -> None:
    assert ANALYZE
    unit = tmp_path / UNIT.name.replace("@", "@1")
    unit.write_text(UNIT.read_text().replace("/opt/incident-portal-%i/bin/incident-portal", sys.executable))
    for command in (["verify"], ["security", "--offline=true", "--threshold=15"]):
        done = subprocess.run([ANALYZE, *command, unit], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search(r"incident-portal@1\.service:|Unknown", done.stderr)


def named(kind: str) -> list[dict[str, Any]]:
    return [each for each in MANIFESTS if each["kind"] == kind]


def test_every_manifest_is_what_kubernetes_reads() -> None:
    assert {"web", "worker", "clock", "front"} <= {each["metadata"]["name"].split("-")[-1] for each in MANIFESTS}
    for each in MANIFESTS:
        kubernetes_validate.validate(each, "1.31", strict=True)


def test_every_pod_runs_with_no_right_that_it_can_do_without() -> None:
    for each in [*named("Deployment"), *named("Job")]:
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        (container,) = pod["containers"]
        own = container["securityContext"]
        assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert each["kind"] == "Job" or "readinessProbe" in container
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_what_the_manifests_refer_to_is_there() -> None:
    (web,) = [each for each in named("Deployment") if each["metadata"]["name"].endswith("-web")]
    (services,) = [each for each in named("Service") if each["metadata"]["name"].endswith("-web")]
    assert services["spec"]["selector"] == web["spec"]["template"]["metadata"]["labels"]
    (settings,) = [each["data"] for each in named("ConfigMap") if each["metadata"]["name"] == "incident-portal"]
    assert settings.keys() <= LISTED
