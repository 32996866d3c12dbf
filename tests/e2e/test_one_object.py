"""Report, API, terminal, summary and file say the same: verdict, recommendation and every number."""

import asyncio
import html
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import abkit as ab
from abkit.analyzer.render import comparison_rows
from abkit.api import create_app
from abkit.cli import main
from abkit.controller.transitions import utc_now
from abkit.store.engine import writing
from abkit.store.keys import SCOPES, create_key


def ask(url: str, path: str) -> Any:
    """Ask the API, as a client with a key."""
    app = create_app(url)

    async def send(key: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://abkit.test") as client:
            return await client.get(path, headers={"Authorization": f"Bearer {key}"})

    try:
        with writing(app.state.labs.engine) as connection:
            key = create_key(connection, "default", "a test", SCOPES, now=utc_now())
        return asyncio.run(send(key.text)).json()
    finally:
        app.state.labs.close()


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("forked")
def test_every_place_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/abkit.db"
    rng = np.random.default_rng(8)
    experiment = ab.Experiment(
        "same",
        [ab.Variant("plain", 50, is_control=True), ab.Variant("new", 50)],
        ab.Mean("score"),
        agent_id="writer",
        guardrail_metrics=[ab.Mean("cost_usd", goal="minimize", margin=0.1)],
        secondary_metrics=[ab.Proportion("success")],
        min_sample_size=300,
        plan=ab.Plan(inference="group_sequential", looks=4, min_runtime_days=0),
    )
    with ab.connect(url) as lab:
        made = lab.create(experiment)
        lab.start("same")
        for place in range(220):
            user = f"user-{place}"
            gain = 0.4 * (lab.assign("writer", user).variant == "new")
            for metric, value in (
                ("score", 2 + gain + rng.normal()),
                ("cost_usd", rng.gamma(2)),
                ("success", place % 2),
            ):
                lab.record("same", user, metric, value)
        lab.flush()
        analysis = lab.analyze("same")
        assert lab.get("same").design_hash == analysis.plan.design_hash
        report = lab.report("same", out=tmp_path / "reports")
    plain = analysis.to_dict()
    page = html.unescape(report.html.read_text())
    beside = json.loads((report.folder / "analysis.json").read_text())
    served = ask(url, f"/api/v1/experiments/{made.id}/status")["analysis"]
    printed = json.loads(call(capsys, "status", "same", "--store", url, "--json"))["analysis"]
    for other in (beside, served, printed, report.analysis):
        assert other == plain
    terminal = repr(analysis)
    decision = plain["decision"]
    for said in (page, terminal, call(capsys, "status", "same", "--store", url), report.headline):
        assert decision["recommendation"] in said
    for row in comparison_rows(analysis):
        for cell in row:
            assert f">{cell}</t" in page
            assert cell in terminal
    for deviation in plain["plan"]["deviations"]:
        assert deviation["text"][1:] in page
    assert f"<dd>look {plain['plan']['look']} of {plain['plan']['looks']}</dd>" in page
