"""What is drawn is what the model says: the data of the artists, of images, tables and counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure

from velbo import Budget, Recipe, TrainedModel, TrainingConfig, fit, load
from velbo.errors import ConfigError, DataError
from velbo.evaluation.synthetic import associations
from velbo.report.cells import Cell
from velbo.report.latents import principal_map
from velbo.report.plots import PICTURES, draw, picture
from velbo.report.residuals import shortfall
from velbo.report.subject import Subject
from velbo.rows import infer
from velbo.rows.labels import labels_of

RNG = np.random.default_rng(0)
TRAINING = TrainingConfig(Budget(epochs=2))
DIGITS = load("digits")[:400]
COUNTS = RNG.poisson(np.exp(RNG.normal(size=(200, 3)) @ RNG.normal(size=(3, 40)) / 2))
DATES = np.datetime64("2024-01-01") + RNG.integers(0, 200, 300)
AGE = RNG.normal(40, 9, 300)
TABLE = pa.table({
    "a $x$ <b>": pa.array(np.where(RNG.random(300) < 0.1, np.nan, AGE), from_pandas=True),
    "income": AGE * 900 + RNG.normal(0, 3000, 300),
    "job": np.where(AGE > 45, "boss", np.where(RNG.random(300) < 0.5, "<i>clerk</i>", "smith")),
    "since": pa.array(DATES.astype("datetime64[s]")),
    "left": AGE > 50,
})  # fmt: skip


@pytest.fixture(scope="module")
def models():
    def trained(rows, **options):
        return fit(rows, Recipe("mlp", latent=3, hidden=(16,)), training=TRAINING, **options)

    return {
        "images": (trained(DIGITS), DIGITS[:60]),
        "table": (trained(TABLE), TABLE.slice(200)),
        "counts": (trained(COUNTS, kind="count"), COUNTS[:60]),
    }


REFUSED = {
    ("images", "columns"),
    ("images", "pairs"),
    ("images", "missing"),
    ("table", "samples"),
    ("counts", "samples"),
    ("counts", "missing"),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("sort", ["images", "table", "counts"])
def test_every_picture_is_drawn_or_refused_in_a_sentence(models, sort, name):
    model, rows = models[sort]
    if (sort, name) in REFUSED:
        with pytest.raises(ConfigError) as error:
            draw(model, name, rows)
        assert len(str(error.value).split()) > 4
        return
    figure = draw(model, name, rows)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    drawn = figure.get_tightbbox()
    assert drawn.width > 0.85 * width, "it fills its paper"
    assert drawn.height > 0.75 * height
    assert drawn.x1 < width + 0.05, "nothing is cut off"
    assert drawn.y1 < height + 0.05


def points(axes):
    return [c for c in axes.collections if isinstance(c, PathCollection)]


def test_latents_are_the_posterior_means_from_their_widest_side(models):
    model, rows = models["images"]
    labels = np.arange(60) % 3
    axes = model.plot_latents(rows, labels).axes[0]
    flat, *_ = principal_map(model.encode(rows).astype(float))
    for i, group in enumerate(points(axes)):
        np.testing.assert_allclose(np.asarray(group.get_offsets()), flat[labels == i], rtol=1e-4, atol=1e-5)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0", "1", "2"]


def test_principal_components():
    """Of points on a plane in four latents the plane is found, whatever silent latents there are beside it."""
    plane = np.random.default_rng(1).normal(size=(500, 2)) * (3.0, 1.0)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))
    z = np.hstack([plane @ turn[:2], np.full((500, 2), 0.01)])
    flat, (first, _), said = principal_map(z)
    assert said == "principal components of 4 active latents of 6"
    centred = plane - plane.mean(0)
    for distances in (flat, centred):
        assert np.linalg.norm(distances[0] - distances[1]) == pytest.approx(np.linalg.norm(centred[0] - centred[1]))
    assert flat[:, 0].var() / flat.var(0).sum() == pytest.approx(float(first.split()[2][:-1]) / 100, abs=0.01)


@pytest.mark.parametrize(("n", "active"), [(1, 1), (2, 2), (5, 1), (5, 0), (5, 2)])
def test_few_active_latents_are_shown_themselves(n, active):
    z = np.zeros((50, n))
    z[:, n - active :] = np.random.default_rng(0).normal(size=(50, active))
    flat, names, _ = principal_map(z)
    assert flat.shape == (50, 2)
    for j in range(n - active, n):
        assert f"z{j}" in names
        np.testing.assert_array_equal(flat[:, names.index(f"z{j}")], z[:, j])


def test_labels_of_a_field_of_numbers_and_of_names(models):
    model, rows = models["table"]
    axes = model.plot_latents(rows, "job").axes[0]
    assert axes.get_legend().get_title().get_text() == "job"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["<i>clerk</i>", "boss", "smith"]
    coloured = points(model.plot_latents(rows, "income").axes[0])[0]
    np.testing.assert_array_equal(coloured.get_array(), rows["income"].to_numpy())
    with pytest.raises(ConfigError, match=r"unknown field of labels 'jib'\. Did you mean 'job'"):
        model.plot_latents(rows, "jib")
    with pytest.raises(DataError, match="100 are needed, one a row, not 7"):
        model.plot_latents(rows, np.arange(7))
    assert labels_of(rows, None) == (None, "")


def test_the_one_field_of_names_labels_the_map_by_itself(models):
    """Of two fields of names (job, left) none is meant; of images beside one field of names it is that."""
    model, rows = models["table"]
    assert model.plot_latents(rows).axes[0].get_legend() is None
    one = {"image": DIGITS[:80], "digit": np.arange(80) % 3}
    own = fit(one, Recipe("mlp", latent=2, hidden=(8,), condition=("digit",)), training=TRAINING)
    legend = own.plot_latents(one).axes[0].get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "digit"
    assert [t.get_text() for t in legend.get_texts()] == ["0", "1", "2"]


def test_reconstructions_of_images_are_the_models_own(models):
    model, rows = models["images"]
    rows = rows[:4]
    (image,) = model.plot_reconstructions(rows).axes[0].images
    sheet = np.asarray(image.get_array())
    both = np.concatenate([rows[:2], model.reconstruct(rows)[:2], rows[2:], model.reconstruct(rows)[2:]]) / 16
    for i, expected in enumerate(both):
        top, left = (i // 2) * 9, (i % 2) * 9
        np.testing.assert_allclose(sheet[top : top + 8, left : left + 8], expected, rtol=1e-4, atol=1e-5)


def test_reconstructions_of_columns_are_the_models_own(models):
    model, rows = models["table"]
    axes = {a.get_title(loc="left").partition(",")[0]: a for a in model.plot_reconstructions(rows).axes}
    again = model.reconstruct(rows)
    shown = np.asarray(points(axes["income"])[0].get_offsets())
    np.testing.assert_allclose(shown, np.column_stack([rows["income"], again["income"]]), rtol=1e-4)
    same = np.mean(rows["job"].to_numpy() == again["job"].to_numpy())
    assert f"{same:.0%} the same" in next(a.get_title(loc="left") for a in axes.values() if a is axes["job"])


def test_samples_are_the_models_own(models):
    model, _ = models["images"]
    (image,) = model.plot_samples(5, seed=3).axes[0].images
    np.testing.assert_allclose(
        np.asarray(image.get_array())[:8, 9:17], model.sample(5, 3, mean=True)[1] / 16, rtol=1e-5
    )


def test_the_learning_curve_is_that_of_the_run(models, tmp_path):
    model, _ = models["images"]
    left, right = model.plot_learning_curve().axes
    lines = {line.get_label(): line.get_ydata() for line in (*left.lines, *right.lines)}
    metrics = model.history.metrics
    np.testing.assert_array_equal(lines["bound"], [m["validation_bound"] for m in metrics])
    np.testing.assert_array_equal(lines["rate"], [m["validation_rate"] for m in metrics])
    run = fit(DIGITS, "mlp", run=tmp_path / "run", training=TRAINING, report=False)
    assert TrainedModel.load(tmp_path / "run").history.metrics == run.history.metrics
    model.save(tmp_path / "saved")
    with pytest.raises(ConfigError, match="saved by itself"):
        TrainedModel.load(tmp_path / "saved").plot_learning_curve()


def test_kl_of_latents_and_of_groups(models):
    model, rows = models["images"]
    bars = [bar.get_height() for bar in model.plot_kl(rows).axes[0].patches]
    np.testing.assert_allclose(bars, sorted(model.evaluate(rows, 32).kl_per_latent, reverse=True), rtol=1e-6)
    ladder = fit(DIGITS[:100], Recipe("ladder", latent=2, groups=(2,), hidden=(8,)), training=TRAINING)
    groups, single = ladder.plot_kl(rows).axes
    found = Subject.of(ladder, rows).evaluation
    np.testing.assert_allclose([bar.get_height() for bar in groups.patches], found.kl_per_group, rtol=1e-6)
    np.testing.assert_allclose([bar.get_height() for bar in single.patches], found.kl_per_latent, rtol=1e-6)


def test_columns_hold_the_shares_of_both_tables(models):
    model, rows = models["table"]
    job = next(a for a in model.plot_columns(rows, seed=2).axes if a.get_title(loc="left").startswith("job"))
    new = model.sample(len(rows), 2)
    names = [t.get_text() for t in job.get_yticklabels()]
    for table, bars in zip((rows, new), (job.patches[:3], job.patches[3:]), strict=True):
        shares = [np.mean(table["job"].to_numpy() == name) for name in names]
        np.testing.assert_allclose([bar.get_width() for bar in bars], shares)


def test_pairs_are_the_associations(models):
    model, rows = models["table"]
    real, fake, apart = (np.asarray(a.images[0].get_array()) for a in model.plot_pairs(rows, seed=1).axes[:3])
    schema = model.schema
    np.testing.assert_allclose(real, associations(schema.numbers(rows), schema.modelled))
    np.testing.assert_allclose(fake, associations(schema.numbers(model.sample(len(rows), 1)), schema.modelled))
    np.testing.assert_allclose(apart, fake - real)


def test_long_names_of_columns_are_on_the_paper():
    """The constrained layout had cut them off below the square axes."""
    names = [f"{name}-{i}" for i, name in enumerate(["marital-statu"] * 15)]
    rows = pa.table({name: RNG.normal(size=40) for name in names})
    figure = fit(rows, Recipe("mlp", latent=2, hidden=(4,)), training=TRAINING).plot_pairs(rows)
    figure.draw_without_rendering()
    low = [text.get_window_extent().y0 for axes in figure.axes for text in axes.get_xticklabels()]
    assert min(low) >= 0


def test_an_array_and_a_column_are_both_among_the_columns():
    """Of counts beside one column the column alone was shown, and the title ran off its narrow paper."""
    rows = {"counts": COUNTS[:80], "cluster": np.arange(80) % 3}
    model = fit(rows, Recipe("mlp", latent=2, hidden=(8,)), columns={"counts": "count"}, training=TRAINING)
    figure = model.plot_columns(rows)
    titles = [axes.get_title(loc="left").split()[0] for axes in figure.axes]
    assert titles[0] == "cluster"
    assert sum(title.startswith("counts[") for title in titles) == 15
    assert "1 column and the 15 of 40 cells that vary most" in " ".join(figure.get_suptitle().split())
    one = pa.table({"job": np.array(["boss", "clerk", "smith"])[np.arange(60) % 3]})
    narrow = fit(one, Recipe("mlp", latent=2, hidden=(4,)), training=TRAINING).plot_columns(one)
    narrow.draw_without_rendering()
    assert narrow._suptitle.get_window_extent().x1 <= narrow.bbox.x1


def test_whole_numbers_are_shown_in_full():
    cell = Cell(0, infer(pa.table({"n": [12_285, 1_484_705, 7]})).fields[0])
    assert cell.text(1_484_705.0) == "1484705"
    assert cell.text(0.123456789) == "0.123457"


def test_missing_shares_and_patterns(models):
    model, rows = models["table"]
    left, right = model.plot_missing(rows).axes
    share = rows[0].null_count / len(rows)
    np.testing.assert_allclose([bar.get_width() for bar in left.patches], [share, 0, 0, 0, 0])
    shown = np.asarray(right.images[0].get_array())
    assert shown.sum() == rows[0].null_count
    assert (np.diff(shown[0].astype(int)) >= 0).all(), "rows are sorted"


def test_calibration_of_a_model_that_is_right_lies_on_the_diagonal(models):
    """All cells of a model's own draws together, 60 rows of 64 cells: off by less than 0.1 at every quantile."""
    model, _ = models["images"]
    axes = draw(model, "calibration", model.sample(60, 5)).axes[0]
    line = next(line for line in axes.lines if line.get_label() == "all cells together")
    t, below = line.get_xdata(), line.get_ydata()
    assert np.abs(np.asarray(below) - t).max() < 0.1


def test_residuals_of_a_table_are_its_explanations(models):
    model, rows = models["table"]
    changed = rows.set_column(1, "income", pa.array([9e5, *rows["income"].to_pylist()[1:]]))
    found = shortfall(Subject.of(model, changed), 3)
    explained = model.explain(changed, 50)
    assert found.rows[0] == 0
    order = np.argsort(model.log_likelihood(changed, 32))[:3]
    np.testing.assert_array_equal(found.rows, order)
    worst = [found.cells[int(np.nanargmax(row))].name for row in found.nats]
    assert worst == [explained["most_anomalous"][int(i)].as_py() for i in order]
    axes = model.plot_residuals(changed).axes[0]
    assert "900000" in {text.get_text() for text in axes.texts}


def test_residuals_of_counts_are_in_standard_deviations(models):
    model, rows = models["counts"]
    rows = rows.copy()
    rows[7, 5] = 500
    figure = model.plot_residuals(rows)
    assert figure.axes[0].get_yticklabels()[0].get_text().startswith("row 7:")
    shown = np.asarray(figure.axes[0].images[0].get_array())
    names = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert names[int(np.argmin(shown[0]))] == "x[5]"


def test_given_fields_are_no_part_of_what_is_drawn():
    """Of a conditional model: labels of the images are given, and nothing asks for their likelihood."""
    rows = {"image": DIGITS, "label": np.arange(len(DIGITS)) % 10}
    model = fit(rows, Recipe("mlp", latent=2, hidden=(8,), condition=("label",)), columns={"label": "categorical"},
                training=TRAINING)  # fmt: skip
    some = {name: v[:40] for name, v in rows.items()}
    subject = Subject.of(model, some)
    for name in ("latents", "reconstructions", "samples", "calibration", "residuals", "kl"):
        picture(subject, name).draw_without_rendering()
    table = fit(TABLE, Recipe("mlp", latent=2, hidden=(8,), condition=("job",)), training=TRAINING)
    for name in ("latents", "reconstructions", "columns", "pairs", "calibration", "residuals"):
        draw(table, name, TABLE.slice(200)).draw_without_rendering()


def test_a_picture_of_no_known_name(models):
    model, rows = models["images"]
    with pytest.raises(ConfigError, match=r"unknown picture 'latent'\. Did you mean 'latents'"):
        draw(model, "latent", rows)
    with pytest.raises(DataError, match="it has no rows"):
        draw(model, "latents", rows[:0])


def test_colour_images_and_one_row():
    images = RNG.integers(0, 256, (40, 6, 5, 3)).astype(np.uint8)
    model = fit(images, Recipe("mlp", latent=2, hidden=(8,)), training=TRAINING)
    for name in ("reconstructions", "samples", "residuals", "latents"):
        figure = draw(model, name, images[:1])
        figure.draw_without_rendering()
        assert not any(isinstance(c, QuadMesh) for c in figure.axes[0].collections)
