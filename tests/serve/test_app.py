"""Every endpoint answers what the library answers, bit for bit, in three types; and every bad request is one line."""

from __future__ import annotations

import io
import json
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from velbo import TrainedModel, fit
from velbo.config import Budget, Recipe, TrainingConfig
from velbo.serve.app import make_app
from velbo.serve.settings import Settings
from velbo.serve.wire import ARROW, JSON, PARQUET, answer_type

TRAINING = TrainingConfig(Budget(epochs=1))
# The worker's thread ignores them, but which warnings are ignored belongs to the process, and this thread sets it too.
pytestmark = pytest.mark.filterwarnings("ignore::velbo.errors.VelboWarning")


def as_json(table: pa.Table) -> bytes:
    return json.dumps({"rows": table.to_pylist()}, default=lambda v: v.isoformat()).encode()


def as_arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def as_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


WRITE = {JSON: as_json, ARROW: as_arrow, PARQUET: as_parquet}


def read(response) -> pa.Table:
    assert response.status_code == 200, response.text
    kind = response.headers["content-type"]
    if kind == JSON:
        found = response.json()
        return pa.table({name: [row[name] for row in found["rows"]] for name in found["rows"][0]})
    if kind == ARROW:
        return pa.ipc.open_stream(response.content).read_all()
    return pq.read_table(io.BytesIO(response.content))


def post(client: TestClient, path: str, table: pa.Table, kind: str = JSON) -> pa.Table:
    return read(client.post(path, content=WRITE[kind](table), headers={"content-type": kind}))


def plain(table: pa.Table) -> list[dict]:
    """Rows as JSON has them."""
    return [
        {k: v.isoformat() if isinstance(v, date | datetime) else v for k, v in row.items()} for row in table.to_pylist()
    ]


@pytest.mark.parametrize("kind", [JSON, ARROW, PARQUET])
def test_answers_are_the_librarys_bit_for_bit(client, trained: TrainedModel, rows, kind):
    some = rows.slice(0, 7)
    z = post(client, "/encode?seed=3", some, kind)
    np.testing.assert_array_equal(
        np.stack([z[f"z{i}"] for i in range(3)], -1).astype(np.float32), trained.encode(some, 3)
    )
    scores = post(client, "/score?samples=9&seed=2", some, kind)
    np.testing.assert_array_equal(scores["log_likelihood"], trained.log_likelihood(some, 9, 2))
    assert post(client, "/score?samples=5&reasons=true", some, kind).to_pylist() == trained.explain(some, 5).to_pylist()
    full = post(client, "/impute?samples=20", some, kind)
    assert plain(full) == plain(trained.impute(some, 20))
    decoded = post(client, "/decode", z, kind)
    latents = np.stack([z[f"z{i}"] for i in range(3)], -1).astype(np.float64)
    assert plain(decoded) == plain(trained.decode(latents))
    law = trained.predict(some, "sex", samples=30)
    found = post(client, "/predict?column=sex&samples=30", some, kind)
    assert found["best"].to_pylist() == law.best.tolist()
    np.testing.assert_array_equal(found["p(f)"], law.p[:, 0])
    np.testing.assert_array_equal(found["effective_samples"], law.effective_samples)


def test_sampling_with_and_without_what_is_given(client, trained):
    found = client.post("/sample?n=4&seed=5").json()["rows"]
    assert found == plain(trained.sample(4, 5))
    given = client.post("/sample?n=4&seed=5", json={"rows": [{"sex": "f", "age": 30}]}).json()["rows"]
    assert given == plain(trained.sample(4, 5, given={"sex": ["f"] * 4, "age": np.array([30] * 4)}))
    assert {row["sex"] for row in given} == {"f"}
    own = client.post("/sample?n=2", json={"rows": [{"sex": "f"}, {"sex": "m"}]}).json()["rows"]
    assert [row["sex"] for row in own] == ["f", "m"]
    points = client.post("/sample?n=2&mean=true").json()["rows"]
    assert points == plain(trained.sample(2, 0, True))


def test_a_column_is_predicted_of_rows_that_lack_columns(client, trained):
    asked = {"rows": [{"sex": "f"}, {"sex": None, "age": 40}]}
    found = client.post("/predict?column=height&samples=40", json=asked).json()["rows"]
    law = trained.predict(pa.table({"sex": ["f", None], "age": pa.array([None, 40])}), "height", samples=40)
    assert [row["mean"] for row in found] == law.mean.tolist()
    assert [row["spread"] for row in found] == law.spread.tolist()
    only = client.post("/predict?column=sex&given=height&samples=40", json={"rows": [{"height": 180.0, "age": 20}]})
    assert only.json()["rows"][0]["p(m)"] == trained.predict(pa.table({"height": [180.0]}), "sex", samples=40).p[0, 1]


def test_unknown_categories_are_refused_or_reported(client, trained):
    row = {"age": 30, "sex": "w", "height": 170.0, "member": True, "joined": "2020-05-05"}
    refused = client.post("/score", json={"rows": [row]})
    assert refused.status_code == 422
    assert "row 0, category: 'sex' had no 'w' in training" in refused.json()["error"]
    reported = client.post("/score?unknown=report&samples=7", json={"rows": [row]})
    assert reported.json()["notes"] == [
        "row 0, category: 'sex' had no 'w' in training. Known: f, m. It counts as missing."
    ]
    missing = client.post("/score?samples=7", json={"rows": [{**row, "sex": None}]})
    assert reported.json()["rows"] == missing.json()["rows"]
    assert missing.json()["notes"] == []
    headers = {"accept": ARROW}
    as_header = client.post("/score?unknown=report", json={"rows": [row]}, headers=headers).headers["x-velbo-notes"]
    assert json.loads(as_header) == reported.json()["notes"]


def test_about_the_server_and_its_model(client, rows):
    assert client.get("/health").json()["status"] == "ok"
    post(client, "/encode", rows)
    client.post("/encode", content=b"{")
    text = client.get("/metrics").text
    assert 'velbo_requests_total{endpoint="/encode",status="200"} 1' in text
    assert 'velbo_requests_total{endpoint="/encode",status="400"} 1' in text
    assert f'velbo_rows_total{{endpoint="/encode"}} {len(rows)}' in text
    assert 'velbo_request_seconds_count{endpoint="/encode"} 2' in text
    assert "velbo_waiting_requests 0" in text
    assert [f["field"] for f in client.get("/model").json()["fields"]] == rows.column_names
    described = client.get("/openapi.json").json()
    fields = described["components"]["schemas"]["Row"]["properties"]
    assert fields["sex"]["anyOf"][0] == {"enum": ["f", "m"]}
    assert fields["joined"]["anyOf"][0]["type"] == "string"
    assert fields["member"]["anyOf"][0] == {"enum": [False, True]}
    assert set(described["paths"]["/score"]["post"]["requestBody"]["content"]) == {JSON, ARROW, PARQUET}
    assert client.get("/docs").status_code == 404  # its page would load scripts from elsewhere


ROW = {"age": 30, "sex": "f", "height": 170.0, "member": True, "joined": "2020-05-05"}
TABLE = pa.table({"age": [30], "sex": ["f"], "height": [170.0], "member": [True], "joined": [datetime(2020, 5, 5)]})


def with_cell(name: str, value: object) -> bytes:
    return json.dumps({"rows": [{**ROW, name: value}]}).encode()


def hostile() -> list[tuple[str, bytes, str]]:
    """(path, body, type) of what no client should send."""
    rng = np.random.default_rng(0)
    arrow, parquet = as_arrow(TABLE), as_parquet(TABLE)
    bodies: list[tuple[str, bytes, str]] = [
        ("/score", body, JSON)
        for body in (
            b"",
            b"{",
            b"null",
            b"[]",
            b"3",
            b'"rows"',
            b"{}",
            b'{"rows": 3}',
            b'{"rows": []}',
            b'{"rows": [3]}',
            b'{"rows": [[]]}',
            b'{"rows": [null]}',
            b'{"rows": [{}]}',
            b'{"rows": {}}',
            b"\x00\xff\xfe",
            b"[" * 100_000,
            b'{"a":' * 50_000,
            b'{"rows": [{"age": 1e999}]}',
            b'{"rows": [{"age": NaN}]}',
            b'{"rows": [{"age": Infinity}]}',
            b'{"rows": [{"\xff": 1}]}',
            b'{"rows": [{"age": "\\ud800"}]}',
            b'{"rows": [{"age": 1}] } trailing',
            b'{"rows": [' + b",".join([b"{}"] * 500) + b"]}",
            b'{"rows": [{"' + b"x" * 600_000 + b'": 1}]}',
        )
    ]
    cells = ["old", "", "30 years", -1e300, 1e300, 10**30, [], [1], {}, {"a": 1}, "2020-01-01", "x" * 10_000, "\u0000"]
    bodies += [("/score", with_cell("age", cell), JSON) for cell in cells]
    bodies += [("/encode", with_cell("height", cell), JSON) for cell in ["tall", [1.0], {"x": 1}, "1,5", 1e308, "nan"]]
    bodies += [
        ("/impute", with_cell("joined", cell), JSON) for cell in ["yesterday", "2020-13-45", 5e20, [], "now", {}]
    ]
    bodies += [("/score", with_cell("sex", cell), JSON) for cell in ["F ", "female", 3, ["f"], {"f": 1}, "</script>"]]
    bodies += [
        ("/score", json.dumps({"rows": [{k: v for k, v in ROW.items() if k != name}]}).encode(), JSON) for name in ROW
    ]
    for body, kind in ((arrow, ARROW), (parquet, PARQUET)):
        bodies += [("/score", body[: len(body) * i // 7], kind) for i in range(1, 7)]
        bodies += [("/score", rng.bytes(200), kind), ("/score", b"", kind)]
        for _ in range(6):
            flipped = bytearray(body)
            flipped[8:40] = rng.bytes(32)
            bodies.append(("/score", bytes(flipped), kind))
    bodies += [("/score", arrow, PARQUET), ("/score", parquet, ARROW), ("/score", arrow, JSON)]
    bodies += [("/score", as_arrow(pa.table({"age": [1], "b": [None]})), ARROW)]
    bodies += [("/score", as_arrow(TABLE.append_column("age", [[1]])), ARROW)]
    bodies += [("/score", as_parquet(pa.table({"age": pa.array(np.zeros(5_000_000))})), PARQUET)]
    bodies += [
        (path, with_cell("age", 30), kind)
        for path, kind in (
            ("/score?samples=0", JSON),
            ("/score?samples=x", JSON),
            ("/score?samples=100000000", JSON),
            ("/score?samples=90000", JSON),
            ("/score?seed=-1", JSON),
            ("/score?unknown=maybe", JSON),
            ("/predict", JSON),
            ("/predict?column=none", JSON),
            ("/predict?column=sex&given=none", JSON),
            ("/predict?column=", JSON),
            ("/sample?n=0", JSON),
            ("/sample?n=1000000", JSON),
            ("/sample?n=3&mean=perhaps", JSON),
            ("/decode", JSON),
            ("/nowhere", JSON),
            ("/score", "text/csv"),
            ("/score", "application/x-python-pickle"),
            ("/health", JSON),
            ("/../../etc/passwd", JSON),
            ("/score?reasons=2x", JSON),
        )
    ]
    bodies += [
        ("/decode", json.dumps({"rows": [row]}).encode(), JSON)
        for row in (
            {"z0": 1},
            {"z0": 1, "z1": 2, "z2": "x"},
            {"z0": 1, "z1": 2, "z2": None},
            {"z0": 1, "z1": 2, "z2": 3, "z3": 4},
        )
    ]
    bodies += [
        ("/sample?n=3", json.dumps({"rows": [row]}).encode(), JSON)
        for row in (
            {"height": [1]},
            {"hight": 170},
            {"sex": "w"},
            {"age": "old"},
        )
    ]
    bodies += [("/sample?n=3", json.dumps({"rows": [{"sex": "f"}] * 2}).encode(), JSON)]
    return bodies  # fmt: skip


HOSTILE = hostile()


def test_a_hundred_hostile_bodies_are_refused_with_one_plain_line_each(client):
    """None is an error of the server's, and it serves on as before."""
    assert len(HOSTILE) >= 100
    for path, body, kind in HOSTILE:
        response = client.post(path, content=body, headers={"content-type": kind})
        shown = (path, body[:80], kind, response.status_code, response.text[:300])
        assert 400 <= response.status_code < 500, shown
        assert list(response.json()) == ["error"], shown
        line = response.json()["error"]
        assert 3 < len(line) <= 1100, shown
        assert line.isprintable(), shown
        assert "Traceback" not in line, shown
    assert client.post("/score", json={"rows": [ROW]}).status_code == 200


def test_headers_that_do_not_fit_are_refused(client):
    body = with_cell("age", 30)
    assert client.post("/score", content=body, headers={"accept": "text/html"}).status_code == 406
    assert client.post("/score", content=body, headers={"content-encoding": "gzip"}).status_code == 415
    assert client.post("/score", content=body, headers={"content-length": "99999999"}).status_code == 413
    assert client.get("/score").status_code == 405
    assert answer_type("text/html, application/json;q=0.5", ARROW) == JSON
    assert answer_type("*/*", ARROW) == ARROW
    assert answer_type("", PARQUET) == PARQUET


def test_a_body_without_a_length_is_cut_off_at_the_limit(client):
    response = client.post("/score", content=(b" " * 100_000 for _ in range(20)), headers={"content-type": JSON})
    assert response.status_code == 413
    assert "over 524,288 bytes" in response.json()["error"]


def test_an_image_and_its_label_are_served():
    """Arrays are lists of lists in JSON."""
    image = np.random.default_rng(0).integers(0, 2, (30, 4, 4)).astype(np.uint8)
    label = np.array(["a", "b"])[image[:, 0, 0]]
    model = fit({"image": image, "label": label}, Recipe("mlp", latent=2, hidden=(4,)), training=TRAINING)
    with TestClient(make_app(model)) as client:
        asked = {"rows": [{"image": image[i].tolist(), "label": label[i]} for i in range(3)]}
        z = client.post("/encode", json=asked).json()["rows"]
        expected = model.encode({"image": image[:3], "label": label[:3]})
        np.testing.assert_array_equal(np.array([list(r.values()) for r in z], np.float32), expected)
        made = client.post("/sample?n=2").json()["rows"]
        assert np.shape(made[0]["image"]) == (4, 4)
        wrong = client.post("/encode", json={"rows": [{"image": [[1, 2]], "label": "a"}]})
        assert (wrong.status_code, list(wrong.json())) == (422, ["error"])


def test_an_error_that_nobody_foresaw_is_one_line_too(trained, monkeypatch):
    monkeypatch.setattr(TrainedModel, "encode", lambda *_: 1 / 0)
    with TestClient(make_app(trained, Settings()), raise_server_exceptions=False) as client:
        response = client.post("/encode", json={"rows": [ROW]})
    assert response.status_code == 500
    assert response.json() == {"error": "an error that nobody foresaw, ZeroDivisionError; the server's log has more"}
