"""Laws of what pretraining predicts beside nucleotides, of stripe mode, hidden abundances and quantiles."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from test_aam import OPTIONS, make_study, make_task

from taxoscape.aam import data, finetune, predict, pretext, pretrain, quality
from taxoscape.aam.model import standard_abundance
from taxoscape.errors import InputError
from taxoscape.learning import checkpoint, device
from taxoscape.learning.loop import Place
from taxoscape.learning.target import Target

STRIPE = replace(OPTIONS, stripe_mode=True, reference_samples=5)
TRAIN = np.arange(10)


@pytest.fixture(autouse=True)
def one_thread():
    device.settle("cpu", 1, "device")


@pytest.fixture(scope="module")
def study():
    """A study with lineages: two phyla, three genera, some unnamed."""
    bare = make_study()
    lineages = [f"k__B; p__P{place % 2}; g__{'' if place % 4 == 3 else place % 3}" for place in range(len(bare.taxa))]
    return data.with_lineages(bare, pd.Series(lineages, index=bare.taxa).iloc[1:])


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return pretrain.make_encoder(OPTIONS, recall=True).eval()


# --- distances and references


@pytest.mark.parametrize("metric", ["unifrac", "weighted"])
@pytest.mark.parametrize("lazy", [True, False])
def test_permuting_a_batch_permutes_its_distances(study, metric, lazy):
    order = np.array([4, 1, 7, 2])
    batch, other = (data.make_batch(study.counts, rows, 100) for rows in (np.arange(10)[order], np.sort(order)))
    back = np.argsort(np.argsort(order))
    for options in (OPTIONS, STRIPE):
        options = replace(options, unifrac_metric=metric, lazy_unifrac=lazy)
        goal = pretrain.make_goal(study, TRAIN, options, (0,))
        straight = goal.truth(other)[back]
        first = straight.shape[1] - len(back)
        straight = torch.cat([straight[:, :first], straight[:, first:][:, back]], dim=1)
        torch.testing.assert_close(goal.truth(batch), straight, atol=1e-6, rtol=0)


@pytest.mark.parametrize("metric", ["unifrac", "weighted"])
def test_distances_to_references_are_columns_of_the_square(study, metric):
    options = replace(STRIPE, unifrac_metric=metric, lazy_unifrac=False)
    goal = pretrain.make_goal(study, TRAIN, options, (0,))
    square = pretrain.make_goal(study, TRAIN, replace(options, stripe_mode=False), (0,)).truth
    batch = data.make_batch(study.counts, TRAIN, 100)
    whole = square(batch)
    expected = torch.cat([whole[:, goal.references.rows], whole], dim=1)
    torch.testing.assert_close(goal.truth(batch), expected, atol=1e-6, rtol=0)


def test_lazy_distances_follow_the_draw_and_others_do_not(study):
    first, again = (next(iter(data.drawn_batches(study, np.arange(4), OPTIONS, (epoch,)))) for epoch in (1, 2))
    for lazy in (True, False):
        truth = pretrain.make_goal(study, TRAIN, replace(OPTIONS, lazy_unifrac=lazy), (0,)).truth
        assert truth(first).equal(truth(again)) != lazy


def test_references_are_a_fixed_part_of_the_training_samples(study):
    rows = pretext.choose_references(study, TRAIN, STRIPE, (0,))
    assert len(set(rows)) == 5
    assert set(rows) <= set(TRAIN)
    np.testing.assert_array_equal(rows, pretext.choose_references(study, TRAIN, STRIPE, (0,)))
    assert len(pretext.choose_references(study, TRAIN, replace(STRIPE, reference_samples=100), (0,))) == 10


def test_references_from_a_file_are_those_named_and_strangers_are_refused(study, tmp_path):
    path = tmp_path / "ids.txt"
    options = replace(STRIPE, reference_samples=str(path))
    with pytest.raises(InputError, match="neither a number nor a file"):
        pretext.choose_references(study, TRAIN, options, (0,))
    path.write_text("s3\n\ns1\n")
    assert pretext.choose_references(study, TRAIN, options, (0,)).tolist() == [3, 1]
    for text, said in (("s3\ns11\n", "1 samples that are not trained on .s11."), ("\n", "names no sample")):
        path.write_text(text)
        with pytest.raises(InputError, match=said):
            pretext.choose_references(study, TRAIN, options, (0,))


def test_bank_holds_the_references_embeddings_and_learns_of_those_that_pass(study, encoder):
    references = pretrain.references_of(study, TRAIN, STRIPE, (0,))
    encoder.train()
    references.refresh(encoder)
    assert encoder.training
    encoder.eval()
    torch.testing.assert_close(references.z, pretext.embed_batches(encoder, study, references.batches))
    passing = data.make_batch(study.counts, np.array([11, references.rows[2]]), 100)
    before, z = references.z.clone(), torch.randn(2, 16)
    references.remember(passing, z)
    assert references.z[2].equal(z[1])
    assert references.z[[0, 1, 3, 4]].equal(before[[0, 1, 3, 4]])


def test_a_reference_is_not_compared_with_itself(study, encoder):
    goal = pretrain.make_goal(study, TRAIN, replace(STRIPE, reference_samples=1), (0,))
    own, other = goal.references.rows[0], (goal.references.rows[0] + 1) % 10
    for rows, pairs in (([own], 0), ([own, other], 1)):
        batch = data.make_batch(study.counts, np.array(rows), 100)
        assert goal.references.others(batch).sum() == pairs
    alone = data.make_batch(study.counts, np.array([own]), 100)
    terms = pretrain.pretraining_losses(encoder, study, alone, STRIPE, goal, torch.Generator())
    assert "unifrac_loss" not in terms


@pytest.mark.parametrize("size", [1, 3, 10])
def test_stripe_mode_learns_at_any_batch_size(study, size):
    options = replace(STRIPE, batch_size=size, pretrain_epochs=12, dropout=0.0, validation=0.0, patience=99)
    options = replace(options, lr=0.003 if size < 10 else 0.01)
    _, history = pretrain.pretrain(study, TRAIN, np.full(10, "one"), options, (0,))
    assert history[-1]["unifrac_loss"] < 0.6 * history[0]["unifrac_loss"]


@pytest.mark.parametrize("options", [STRIPE, replace(STRIPE, lazy_unifrac=False), replace(OPTIONS, ema=0.9)])
def test_interrupted_pretraining_ends_like_one_that_was_not(study, tmp_path, monkeypatch, options):
    options, groups = replace(options, pretrain_epochs=3), study.samples[TRAIN]
    whole, _ = pretrain.pretrain(study, TRAIN, groups, options, (0,))
    saved = checkpoint.save

    class Killed(Exception):
        pass

    def save_then_die(state, path):
        saved(state, path)
        raise Killed

    place = Place(tmp_path / "resume.pt")
    monkeypatch.setattr(checkpoint, "save", save_then_die)
    for _ in range(2):  # killed after the first epoch, and again after the second
        with pytest.raises(Killed):
            pretrain.pretrain(study, TRAIN, groups, options, (0,), place)
    monkeypatch.undo()
    resumed, _ = pretrain.pretrain(study, TRAIN, groups, options, (0,), place)
    for one, two in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert one.equal(two)


def test_the_checkpoint_names_the_references_and_holds_their_embeddings(study, tmp_path):
    options = replace(STRIPE, pretrain_epochs=1)
    model, _ = pretrain.pretrain(study, TRAIN, study.samples[TRAIN], options, (0,))
    references = pretrain.references_of(study, TRAIN, options, (0,))
    pretrain.save_encoder(model, options, tmp_path / "encoder.pt", study, references)
    kept = pretrain.read_encoder(tmp_path / "encoder.pt", options).references
    assert kept.samples == study.samples[references.rows].tolist()
    z = pretext.embed_batches(pretrain.load_encoder(tmp_path / "encoder.pt", options), study, references.batches)
    torch.testing.assert_close(kept.z, z)


@pytest.mark.parametrize("options", [OPTIONS, STRIPE])
def test_predicted_distances_neither_cluster_at_the_ends_nor_collapse(options):
    study = make_study(16, seed=1)
    options = replace(options, pretrain_epochs=30, batch_size=8, lr=0.003, reference_samples=8, dropout=0.0)
    rows = np.arange(15)
    model, _ = pretrain.pretrain(study, rows, np.full(15, "one"), options, (0,))
    fixed = pretext.fixed_batches(study, rows, options, (9,))
    truth, guess = pretrain.predicted_distances(model, study, fixed, options)
    assert ((guess < 0.01) | (guess > 0.99)).float().mean() <= ((truth < 0.01) | (truth > 0.99)).float().mean() + 0.02
    assert guess.std() > 0.3 * truth.std()
    assert np.corrcoef(truth, guess)[0, 1] > 0.5


# --- Faith's PD and clades


def test_clades_are_paths_and_what_has_no_name_is_left_out(study):
    assert [len(names) for names in study.names] == [1, 2, 6]
    assert study.ranks[0].tolist() == [-1, -1, -1]  # no lineage
    assert study.ranks[3].tolist()[2] == -1  # no genus
    assert study.names[2][study.ranks[1, 2]] == "k__B;p__P1;g__1"
    with pytest.raises(InputError, match="none of the 24 features has a lineage"):
        data.with_lineages(study, pd.Series({"other": "k__B"}))
    with pytest.raises(InputError, match="give a taxonomy"):
        pretrain.pretrain(make_study(), TRAIN, study.samples[TRAIN], replace(OPTIONS, unifrac_metric="taxonomy"), (0,))


def test_taxonomy_loss_is_the_mean_cross_entropy_of_known_clades(study):
    model = pretrain.make_encoder(OPTIONS, classes=(1, 2, 6))
    asvs = torch.randn(len(study.taxa), 16)
    expected = []
    for rank, head in enumerate(model.ranks):
        known = study.ranks[:, rank] >= 0
        logs = head(asvs[known]).log_softmax(dim=1)
        expected.append(-logs[torch.arange(known.sum()), study.ranks[known, rank]].mean())
    torch.testing.assert_close(pretext.taxonomy_loss(model, asvs, study.ranks), torch.stack(expected).mean())
    assert pretext.taxonomy_loss(model, asvs, torch.full_like(study.ranks, -1)) == 0


@pytest.mark.parametrize(
    ("metric", "learned"),
    [
        ("weighted", {"unifrac_loss"}),
        ("faith_pd", {"faith_loss"}),
        ("taxonomy", {"taxonomy_loss"}),
        ("combined", {"unifrac_loss", "faith_loss", "taxonomy_loss"}),
    ],
)
def test_every_metric_learns_its_own_and_is_judged_beside_its_reference(study, tmp_path, metric, learned):
    options = replace(OPTIONS, unifrac_metric=metric, pretrain_epochs=20, lr=0.01, dropout=0.0, patience=99)
    model, history = pretrain.pretrain(study, TRAIN, np.full(10, "one"), options, (0,))
    assert {name for name in history[0] if name.endswith("_loss")} == learned | {"total_loss", "nuc_loss"}
    for name in learned:
        assert history[-1][name] < 0.8 * history[0][name], name
    report = quality.judge(model, study, TRAIN, np.arange(10, 12), options, (0,))
    wanted = {"unifrac_loss": "jaccard_r2", "faith_loss": "richness_r2", "taxonomy_loss": "commonest_clade"}
    assert {wanted[name] for name in learned} == set(report) & set(wanted.values())
    pretrain.save_encoder(model, options, tmp_path / "encoder.pt", study)
    plain = pretrain.load_encoder(tmp_path / "encoder.pt", OPTIONS)
    assert plain.faith is None
    assert not len(plain.ranks)
    for name, value in plain.state_dict().items():
        assert value.equal(model.state_dict()[name])


# --- hidden abundances


def predictor(study, **more):
    torch.manual_seed(0)
    options = replace(OPTIONS, count_weight=1.0, **more)
    base = pretrain.make_encoder(options).eval()
    return finetune.empty_predictor(base, Target("t", (), 0.0, 1.0), options).eval()


def test_hidden_abundances_are_not_read(study):
    model = predictor(study, freeze_base=False)
    batch = data.make_batch(study.counts, np.arange(4), 100)
    hidden = batch.present & (torch.arange(batch.present.shape[1]) % 3 == 0)
    other = replace(batch, abundance=torch.where(hidden, -1.0, batch.abundance))
    asvs = predict.encoded(model, study, batch, None)
    outputs = [model.read_with_counts(asvs, each.abundance, batch.present, hidden) for each in (batch, other)]
    for one, two in zip(*outputs, strict=True):
        assert one.equal(two)
    seen = [model(asvs, each.abundance, batch.present) for each in (batch, other)]
    assert not seen[0].equal(seen[1])


def test_the_count_loss_is_the_error_of_hidden_abundances_alone(study, monkeypatch):
    model = predictor(study, freeze_base=False)
    batch = data.make_batch(study.counts, np.arange(4), 100)
    counts = torch.zeros_like(batch.abundance)
    hid = []

    def read(asvs, abundance, present, hidden):
        hid.append(hidden)
        return torch.zeros(4, 1), counts

    monkeypatch.setattr(model, "read_with_counts", read)
    for weight in (1.0, 2.0):
        options = replace(OPTIONS, count_weight=weight, mask=0.5)
        terms = finetune.losses_with_counts(
            *(model, study, batch, None, lambda outputs, values: outputs.sum(), torch.zeros(4), options),
            torch.Generator().manual_seed(0),
        )
        truth = standard_abundance(batch.abundance)[hid[-1]]
        torch.testing.assert_close(terms["count_loss"], weight * (truth**2).mean())
    assert not (hid[-1] & ~batch.present).any()
    assert 0.3 < hid[-1].sum() / batch.present.sum() < 0.7


@pytest.mark.parametrize("freeze", [True, False])
def test_counts_are_learned_beside_the_target(study, encoder, freeze):
    goal = make_task(study, np.arange(12.0))
    options = replace(OPTIONS, count_weight=1.0, freeze_base=freeze, epochs=8, members=2)
    trained = finetune.train_fold(study, encoder, goal, 0, options, 0)
    first, last = trained.histories[0][0], trained.histories[0][-1]
    assert last["count_loss"] < first["count_loss"]
    assert {"val_count_loss", "val_target_loss", "target_loss"} <= set(last)
    assert last["total_loss"] == pytest.approx(last["target_loss"] + last["count_loss"])


# --- quantiles


def test_pinball_loss_is_scikit_learns():
    rng = np.random.default_rng(0)
    outputs, values, levels = rng.normal(size=(20, 3)), rng.normal(size=20), (0.1, 0.5, 0.8)
    ours = finetune.pinball(*(torch.from_numpy(part) for part in (outputs, values, np.array(levels))))
    theirs = [mean_pinball_loss(values, outputs[:, place], alpha=level) for place, level in enumerate(levels)]
    assert ours.item() == pytest.approx(2 * np.mean(theirs))


def test_the_prediction_is_the_median_and_quantiles_stand_in_order(study, encoder):
    goal = make_task(study, np.arange(12.0))
    options = replace(OPTIONS, quantiles=[0.9, 0.5, 0.1], epochs=3)
    trained = finetune.train_fold(study, encoder, goal, 0, options, 0)
    assert trained.target.quantiles == (0.1, 0.5, 0.9)
    guess = finetune.predict_fold(trained, study, encoder, np.arange(12), options, 0)
    table = pd.DataFrame(predict.columns(guess, trained.target, 1.0))
    np.testing.assert_array_equal(table["prediction"], guess[:, 1])
    assert (np.diff(table[["q_0.1", "q_0.5", "q_0.9"]], axis=1) >= 0).all()
