"""Laws of the attention model: samples are sets, batches change nothing, groups stay together, words follow figures."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from skbio import TreeNode
from skbio.diversity import alpha_diversity, beta_diversity

from taxoscape import files, tables, trees
from taxoscape.aam import attribution, data, evaluate, finetune, predict, pretext, pretrain, quality, saved, tokens
from taxoscape.aam.clades import SCALAR_SPEED, Clades
from taxoscape.aam.data import Study
from taxoscape.aam.options import Options, check_aam
from taxoscape.errors import InputError
from taxoscape.learning import batches, checkpoint, device, loop, task
from taxoscape.learning.loop import Place
from taxoscape.learning.monitor import lines
from taxoscape.learning.target import Target, fit_target
from taxoscape.learning.task import Task
from taxoscape.scoring.baselines import Evidence
from taxoscape.scoring.readings import read_counts

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = Options(
    enabled=True,
    threads=1,
    processes=1,
    max_bp=30,
    patch=3,
    token_limit=20,
    embedding_dim=16,
    attention_heads=2,
    attention_layers=1,
    clades=0,
    encoder=None,
    batch_size=4,
    pretrain_epochs=2,
    pretrain_steps=0,
    epochs=2,
    patience=10,
    validation=0.2,
    members=2,
    freeze_base=True,
    optimizer="adamw",
    scheduler="warmup_cosine",
    lr=0.003,
    weight_decay=0.01,
    warmup=0.05,
    unifrac_metric="unifrac",
    stripe_mode=False,
    reference_samples=100,
    lazy_unifrac=True,
    count_weight=0,
    quantiles=[],
    dropout=0.1,
    mask=0.15,
    masked_asvs=0.5,
    max_grad_norm=1.0,
    gradient_accumulation_steps=1,
    ema=0,
    best_metric="loss",
    mixed_precision="none",
    compile_model=False,
    asv_chunk_size=0,
    num_workers=0,
    device="cpu",
    class_weights=False,
    prediction_draws=2,
    interval=0.9,
    explained_samples=4,
    trees=10,
    bootstraps=200,
)
SEQUENCES = 24


@pytest.fixture(autouse=True)
def one_thread():
    device.settle("cpu", 1, "device")


def random_tree(taxa: list[str], rng: np.random.Generator) -> TreeNode:
    nodes = [TreeNode(name=name, length=float(rng.uniform(0.1, 1))) for name in taxa]
    while len(nodes) > 1:
        left, right = (nodes.pop(rng.integers(len(nodes))) for _ in range(2))
        nodes.append(TreeNode(children=[left, right], length=float(rng.uniform(0.1, 1))))
    nodes[0].length = None
    return nodes[0]


def make_study(samples: int = 12, seed: int = 0, length: int = 30) -> Study:
    """A study whose last sample has one ASV; half of the cells are empty."""
    rng = np.random.default_rng(seed)
    taxa = [f"asv{number}" for number in range(SEQUENCES)]
    counts = rng.poisson(8, (samples, SEQUENCES)) * (rng.random((samples, SEQUENCES)) < 0.5)
    counts[:, 0] += 5
    counts[-1] = 0
    counts[-1, 3] = 60
    sequences = ["".join(rng.choice(list("ACGT"), length)) for _ in taxa]
    ancestors, lengths = data.above(trees.tree_arrays(random_tree(taxa, rng)), np.array(taxa))
    return Study(
        samples=np.array([f"s{number}" for number in range(samples)]),
        taxa=np.array(taxa),
        counts=scipy.sparse.csr_matrix(counts),
        tokens=tokens.tokenize(sequences, OPTIONS.max_bp),
        ancestors=ancestors,
        lengths=lengths,
        depth=40,
    )


@pytest.fixture(scope="module")
def study() -> Study:
    return make_study()


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return pretrain.make_encoder(OPTIONS, recall=True).eval()


@pytest.fixture(scope="module", params=["sample encoder", "clades", "weighted clades"])
def comparer(request, study):
    """Encoders that compare samples in each of the three ways."""
    kind = {"sample encoder": {}, "clades": {"clades": 12}, "weighted clades": {"clades": 12} | WEIGHTED}[request.param]
    options = replace(OPTIONS, **kind)
    rows = np.arange(12)
    return pretrain.start(study, rows, pretext.measure_scales(study, rows, options, (0,)), options, (0,))


WEIGHTED = {"unifrac_metric": "weighted"}


def embed(encoder, study: Study, batch: data.Batch) -> torch.Tensor:
    asvs = encoder.read(study.tokens[batch.unique])
    return encoder.embed(asvs[batch.gather], batch.abundance, batch.present)


def goal(study: Study) -> pretrain.Goal:
    """Distances within the batch, in units of 0.1."""
    return replace(
        pretrain.make_goal(study, np.arange(2), OPTIONS, (0,)), scales=pretext.Scales((0.5, 0.1), (0.0, 1.0))
    )


def shuffled(batch: data.Batch, rng: np.random.Generator) -> data.Batch:
    order = torch.from_numpy(rng.permutation(batch.gather.shape[1]))
    return replace(batch, **{name: getattr(batch, name)[:, order] for name in ("gather", "present", "abundance")})


def make_task(study: Study, values, categories=None, per_group: int = 1, folds: int = 3) -> Task:
    groups = np.array([f"g{number // per_group}" for number in range(len(study.samples))])
    fold = np.array([int(name[1:]) % folds for name in groups])
    return Task("t", "days", categories, np.asarray(values, dtype=object if categories else float), groups, fold)


# --- tokens


def test_tokens_are_the_documented_numbers():
    assert tokens.tokenize(["ACGT", "NA"], 3).tolist() == [[5, 1, 2, 3], [5, 7, 1, 0]]


def test_only_nucleotides_are_masked_and_about_the_share_asked():
    clean = tokens.tokenize(["ACGTN" * 200, "A" * 10], 1000)
    seen, masked = tokens.mask_nucleotides(clean, 0.15, torch.Generator().manual_seed(0))
    assert ((clean[masked] >= 1) & (clean[masked] <= 4)).all()
    assert (seen[masked] == tokens.MASK).all()
    assert (seen[~masked] == clean[~masked]).all()
    assert abs(masked.sum().item() / 810 - 0.15) < 0.04


def test_masked_loss_looks_at_masked_positions_only():
    logits = torch.randn(2, 5, 4, requires_grad=True)
    masked = torch.zeros(2, 5, dtype=torch.bool)
    masked[0, 1] = masked[1, 4] = True
    pretrain.nucleotide_loss(logits, torch.ones(2, 5, dtype=torch.long), masked).backward()
    assert (logits.grad.abs().sum(dim=2) > 0).equal(masked)


# --- batches


def test_batch_holds_each_distinct_asv_once_and_gives_the_counts_back(study):
    batch = data.make_batch(study.counts, np.arange(5), 100)
    assert len(batch.unique.unique()) == len(batch.unique)
    back = np.zeros((5, SEQUENCES))
    for row in range(5):
        there = batch.present[row]
        back[row, batch.unique[batch.gather[row, there]]] = batch.abundance[row, there].exp()
    dense = study.counts[:5].toarray()
    np.testing.assert_allclose(back, dense / dense.sum(axis=1, keepdims=True), rtol=1e-6)


def test_token_limit_keeps_the_most_abundant(study):
    batch = data.make_batch(study.counts, np.arange(1), 3)
    kept = study.counts[0].toarray()[0][batch.unique[batch.gather[0]]]
    np.testing.assert_array_equal(kept, np.sort(study.counts[0].toarray()[0])[::-1][:3])
    dense = np.sort(study.counts.toarray(), axis=1)
    assert batches.reads_lost(study.counts, 3) == pytest.approx(1 - dense[:, -3:].sum() / dense.sum())


def test_rarefied_samples_have_the_depth_and_a_stream_of_their_own(study):
    first, again = (data.rarefy(study.counts, 40, (1, 2)) for _ in range(2))
    assert (first.sum(axis=1) == 40).all()
    assert (first != again).nnz == 0
    assert (data.rarefy(study.counts, 40, (1, 3)) != first).nnz > 0
    assert (first > study.counts).nnz == 0


def test_unifrac_of_a_batch_is_scikit_bios(study):
    rng = np.random.default_rng(3)
    taxa = [f"t{number}" for number in range(10)]
    tree = random_tree(taxa, rng)
    counts = rng.poisson(1, (6, 10)) + np.eye(6, 10, dtype=int)
    ancestors, lengths = data.above(trees.tree_arrays(tree), np.array(taxa))
    batch = data.make_batch(scipy.sparse.csr_matrix(counts), np.arange(6), 100)
    expected = beta_diversity("unweighted_unifrac", counts, taxa=taxa, tree=tree, validate=False).data
    np.testing.assert_allclose(data.unifrac(batch, ancestors, lengths), expected, atol=1e-6)


def test_branches_of_parts_are_those_of_the_whole(study):
    order = np.array([3, 0, 11, 7, 2])
    whole = data.branches(data.make_batch(study.counts, order, 100), study.ancestors)
    parts = [data.make_batch(study.counts, part, 100) for part in np.array_split(order, 3)]
    assert torch.cat([data.branches(part, study.ancestors) for part in parts]).equal(whole)


def test_weighted_unifrac_and_faith_are_scikit_bios():
    rng = np.random.default_rng(3)
    taxa = [f"t{number}" for number in range(10)]
    tree = random_tree(taxa, rng)
    counts = rng.poisson(1, (6, 10)) + np.eye(6, 10, dtype=int)
    above = data.above(trees.tree_arrays(tree), np.array(taxa))
    batch = data.make_batch(scipy.sparse.csr_matrix(counts), np.arange(6), 100)
    expected = beta_diversity("weighted_unifrac", counts, taxa=taxa, tree=tree, validate=False, normalized=True).data
    np.testing.assert_allclose(data.unifrac(batch, *above, weighted=True), expected, atol=1e-6)
    expected = alpha_diversity("faith_pd", counts, taxa=taxa, tree=tree, validate=False)
    np.testing.assert_allclose(data.faith(batch, *above), np.log1p(expected), rtol=1e-6)


# --- model


def test_order_of_asvs_changes_nothing(study, comparer):
    batch = data.make_batch(study.counts, np.arange(12), 100)
    other = shuffled(batch, np.random.default_rng(0))
    torch.testing.assert_close(embed(comparer, study, batch), embed(comparer, study, other), atol=1e-5, rtol=0)


def test_permuting_the_batch_permutes_the_outputs(study, comparer):
    order = np.random.default_rng(1).permutation(12)
    straight = embed(comparer, study, data.make_batch(study.counts, np.arange(12), 100))
    permuted = embed(comparer, study, data.make_batch(study.counts, order, 100))
    torch.testing.assert_close(permuted, straight[order], atol=1e-5, rtol=0)


def test_unique_encoding_equals_encoding_every_asv_of_every_sample(study, comparer):
    batch = data.make_batch(study.counts, np.arange(12), 100)
    naive = torch.stack([comparer.read(study.tokens[batch.unique[row]]) for row in batch.gather])
    naive = comparer.embed(naive, batch.abundance, batch.present)
    torch.testing.assert_close(embed(comparer, study, batch), naive, atol=1e-5, rtol=0)


def test_sample_alone_equals_sample_in_a_ragged_batch(study, comparer):
    together = embed(comparer, study, data.make_batch(study.counts, np.arange(12), 100))
    alone = embed(comparer, study, data.make_batch(study.counts, np.array([11]), 100))
    torch.testing.assert_close(alone[0], together[11], atol=1e-5, rtol=0)


def test_padding_of_shorter_sequences_changes_nothing(encoder):
    short = tokens.tokenize(["ACGTACGTA"], 30)
    padded = tokens.tokenize(["ACGTACGTA", "A" * 30], 30)
    one, two = encoder.nucleotide(short)[0][0], encoder.nucleotide(padded)[0][0]
    torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


def test_expectations_start_from_the_training_frequencies():
    """With no known ASV to ask and an untrained correction: each letter as often as it stood there, plus one."""
    model = pretrain.make_encoder(OPTIONS, recall=True).eval()
    model.recall.remember(tokens.tokenize(["AC", "AG", "AG"], 30))
    model.recall.known = model.recall.known[:0]
    seen = torch.tensor([[tokens.START, tokens.MASK, tokens.MASK]])
    expected = model.restore(seen, tokens.tokenize(["AG"], 30)).softmax(dim=2)[0]
    torch.testing.assert_close(expected, torch.tensor([[4, 1, 1, 1], [1, 2, 3, 1]]) / 7)


def branch_encoder(study: Study, weighted: bool):
    """An encoder whose clades are the branches of the tree, with their lengths."""
    options = replace(OPTIONS, clades=len(study.lengths), **(WEIGHTED if weighted else {}))
    model = pretrain.make_encoder(options).eval()
    with torch.no_grad():
        model.clades.length.copy_(torch.log(torch.expm1(study.lengths)) / SCALAR_SPEED)  # softplus undone
    rates = torch.where(study.ancestors > 0, 40.0, 0.0)
    return model, torch.cat([torch.zeros(len(rates), model.dim), rates], dim=1)


@pytest.mark.parametrize("weighted", [False, True])
def test_clades_that_are_branches_compare_samples_as_unifrac_does(study, weighted):
    model, asvs = branch_encoder(study, weighted)
    batch = data.make_batch(study.counts, np.arange(12), 100)
    z = model.embed(asvs[batch.unique[batch.gather]], batch.abundance, batch.present)
    truth = data.unifrac(batch, study.ancestors, study.lengths, weighted)
    torch.testing.assert_close(model.unifrac(z), truth, atol=2e-6, rtol=0)


@pytest.mark.parametrize("weighted", [False, True])
def test_such_clades_have_nothing_to_learn_from_imagined_samples(study, weighted):
    model, asvs = branch_encoder(study, weighted)
    options = replace(OPTIONS, clades=len(study.lengths), **(WEIGHTED if weighted else {}))
    batch = data.make_batch(study.counts, np.arange(12), 100)
    every = [batch, *pretext.imagine(batch, torch.Generator().manual_seed(0))]
    scales = pretext.Scales((0.5, 0.1), (0.0, 1.0))
    assert pretext.imagined_loss(model, asvs[batch.unique], every, study, options, scales) < 1e-8
    assert pretext.imagined_loss(model, asvs.roll(1, dims=0)[batch.unique], every, study, options, scales) > 0.1


def test_imagined_samples_are_parts_with_shares_that_add_up_and_single_asvs(study):
    batch = data.make_batch(study.counts, np.arange(12), 100)
    parts, singles = pretext.imagine(batch, torch.Generator().manual_seed(1))
    assert (parts.present <= batch.present).all()
    assert parts.present.sum() < batch.present.sum()
    there = parts.present.any(dim=1)
    shares = (parts.abundance.exp() * parts.present).sum(dim=1)
    torch.testing.assert_close(shares[there], torch.ones(int(there.sum())))
    assert (singles.present.sum(dim=1) == 1).all()
    assert len(singles.gather.unique()) == len(singles.rows)


def test_clades_begin_as_balls_around_training_asvs():
    torch.manual_seed(0)
    sequences = tokens.tokenize(["A" * 30, "A" * 29 + "C", "C" * 30], 30)
    clades = Clades(4, 50, 30)
    asvs = torch.zeros(3, 4)
    clades.begin(sequences[:1], asvs[:1], torch.ones(1))
    member = 1 - torch.exp(-clades(sequences, asvs))
    assert (member[0] > 0.5).all()
    assert (member[1] < member[0]).all()
    assert 0 < (member[1] > 0.5).sum() < 50
    assert (member[2] < 1e-3).all()


def test_gradients_reach_every_part_of_the_clades(study):
    options = replace(OPTIONS, clades=12)
    rows = np.arange(12)
    scales = pretext.measure_scales(study, rows, options, (0,))
    model = pretrain.start(study, rows, scales, options, (0,))
    batch = data.make_batch(study.counts, rows, 100)
    made = pretrain.make_goal(study, rows, options, (0,))
    losses = pretrain.pretraining_losses(model, study, batch, options, made, torch.Generator().manual_seed(0))
    losses["unifrac_loss"].backward()
    for name in ("letters", "bias", "length", "narrow.weight"):
        assert model.clades.get_parameter(name).grad.abs().max() > 0, name


def test_clades_learn_distances_of_samples_that_were_not_trained_on():
    made = make_study(48)
    options = replace(OPTIONS, clades=64, pretrain_epochs=12, lr=0.003, batch_size=8)
    train, test = np.arange(36), np.arange(36, 48)
    model, _ = pretrain.pretrain(made, train, made.samples[train], options, (0,))
    report = quality.judge(model, made, train, test, options, (0,))
    assert report["unifrac_r2"] > max(0.5, report["jaccard_r2"])


def test_pairs_of_a_part_of_the_samples_stand_for_those_of_a_large_study(monkeypatch):
    made, rows = make_study(200), np.arange(5, 195)
    whole = pretext.measure_scales(made, rows, OPTIONS, (0,))
    assert (pretext.paired(rows, (0,)) == rows).all()
    monkeypatch.setattr(pretext, "PAIRED", 60)
    part = pretext.paired(rows, (0,))
    assert len(np.unique(part)) == 60
    assert np.isin(part, rows).all()
    assert (part != pretext.paired(rows, (1,))).any()
    assert pretext.measure_scales(made, rows, OPTIONS, (0,)).distance == pytest.approx(whole.distance, rel=0.1)


def test_an_encoder_with_other_clades_is_refused(tmp_path):
    pretrain.save_encoder(pretrain.make_encoder(replace(OPTIONS, clades=3)), replace(OPTIONS, clades=3), tmp_path / "e")
    with pytest.raises(InputError, match="'clades': 3.*'clades': 0.*same sizes"):
        pretrain.load_encoder(tmp_path / "e", OPTIONS)


def test_abundance_is_seen(study, encoder):
    batch = data.make_batch(study.counts, np.arange(4), 100)
    other = replace(batch, abundance=batch.abundance.flip(1) * batch.present)
    assert (embed(encoder, study, batch) - embed(encoder, study, other)).abs().max() > 1e-3


@pytest.mark.parametrize("training_mode", [True, False])
def test_ragged_batches_with_single_asvs_and_empty_samples_are_finite(study, encoder, training_mode):
    counts = study.counts.tolil()
    counts[0] = 0
    batch = data.make_batch(counts.tocsr(), np.array([0, 11, 5]), 100)
    encoder.train(training_mode)
    losses = pretrain.pretraining_losses(encoder, study, batch, OPTIONS, goal(study), torch.Generator().manual_seed(0))
    sum(losses.values()).backward()
    encoder.eval()
    gradients = [parameter.grad for parameter in encoder.parameters() if parameter.grad is not None]
    encoder.zero_grad(set_to_none=True)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert torch.isfinite(embed(encoder, study, data.make_batch(counts.tocsr(), np.array([0]), 100))).all()


def test_unifrac_head_is_affine_and_not_clamped(encoder):
    z = torch.randn(5, 16) * 10
    distances = encoder.unifrac(z)
    expected = encoder.unifrac_head.offset - encoder.unifrac_head.scale * z @ z.T / 16
    torch.testing.assert_close(distances, expected)
    assert distances.min() < 0
    assert distances.max() > 1


def test_two_batches_are_overfitted(study):
    torch.manual_seed(0)
    options = replace(OPTIONS, dropout=0.0, masked_asvs=0.0, weight_decay=0.0, patience=200)
    model = pretrain.make_encoder(options, recall=True)
    fixed = [data.make_batch(study.counts, part, 100) for part in np.arange(8).reshape(2, 4)]

    def losses(batch, generator):
        return pretrain.pretraining_losses(model, study, batch, options, goal(study), generator)

    plan = loop.Plan.of(options, 120, 2)
    history = loop.fit(model, lambda epoch: fixed, losses, None, plan=plan, seed=(0,))
    assert history[-1]["unifrac_loss"] < 0.05 * history[0]["unifrac_loss"]


# --- training


def test_reads_beyond_the_token_limit_are_told(study, capsys):
    pretrain.pretrain(study, np.arange(12), study.samples, replace(OPTIONS, token_limit=3, pretrain_epochs=0), (0,))
    assert "beyond the 3 most abundant ASVs" in capsys.readouterr().out


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(study, tmp_path):
    groups = study.samples
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        model, _ = pretrain.pretrain(study, np.arange(12), groups, OPTIONS, (seed,))
        pretrain.save_encoder(model, OPTIONS, tmp_path / f"{name}.pt")
    one, two, other = ((tmp_path / f"{name}.pt").read_bytes() for name in "abc")
    assert one == two != other


@pytest.mark.parametrize(("least", "together", "batches"), [(0, 1, 3), (6, 1, 3), (7, 1, 4), (6, 2, 6), (20, 1, 10)])
def test_epochs_of_a_small_study_read_it_several_times(study, monkeypatch, least, together, batches):
    """Three batches a pass, two epochs: as many steps as asked for, each pass of all samples from its own draws."""
    drawn, count = [], data.drawn_batches

    def counted(study, order, options, seed, keys=None):
        for batch in count(study, order, options, seed, keys):
            drawn.append((seed, tuple(batch.rows)))
            yield batch

    monkeypatch.setattr(data, "drawn_batches", counted)
    options = replace(OPTIONS, batch_size=4, validation=0.0, pretrain_steps=least, gradient_accumulation_steps=together)
    pretrain.pretrain(study, np.arange(12), np.repeat("one", 12), options, (0,))
    trained = [draw for draw in drawn if draw[0][-1] != pretext.FIXED_DRAW]
    assert len(trained) == 2 * batches
    for number in range(-(-len(trained) // 3)):
        read = [sample for seed, rows in trained[3 * number : 3 * number + 3] for sample in rows]
        assert {seed for seed, _ in trained[3 * number : 3 * number + 3]} == {(0, number)}
        assert len(set(read)) == len(read) == min(12, 4 * (len(trained) - 3 * number))


def test_interrupted_run_ends_like_one_that_was_not(study, tmp_path, monkeypatch):
    groups, place = study.samples, Place(tmp_path / "encoder.pt")
    whole, history = pretrain.pretrain(study, np.arange(12), groups, replace(OPTIONS, pretrain_epochs=3), (0,))

    class Killed(Exception):
        pass

    saved = checkpoint.save
    options = replace(OPTIONS, pretrain_epochs=3)

    def save_then_die(record, path):
        saved(record, path)
        raise Killed

    monkeypatch.setattr(checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        pretrain.pretrain(study, np.arange(12), groups, options, (0,), place)
    monkeypatch.undo()
    resumed, again = pretrain.pretrain(study, np.arange(12), groups, options, (0,), place)
    assert lines([again]) == lines([history])
    for one, two in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert one.equal(two)


def test_chunks_give_the_same_gradients_and_keep_less_in_memory(study):
    torch.manual_seed(0)
    model = pretrain.make_encoder(replace(OPTIONS, dropout=0.0), recall=True).train()
    gradients, kept = [], []
    for chunk in (0, 5):
        size = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, size=size: size.append(x.nbytes) or x, lambda x: x):
            model.nucleotide.embed(study.tokens, chunk).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.nucleotide.parameters() if parameter.grad is not None])
        kept.append(size)
        model.zero_grad(set_to_none=True)
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        whole, parts = model.nucleotide.hide(study.tokens), model.nucleotide.hide(study.tokens, 5)
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("patch", [1, 4])
def test_sequences_are_encoded_among_their_like_without_the_padding(patch):
    """Embeddings, hidden patches and gradients are those of one padded batch; fewer positions are computed."""
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGT"), length)) for length in generator.integers(5, 31, 40)]
    read = tokens.tokenize(sequences, 30)
    torch.manual_seed(0)
    model = pretrain.make_encoder(replace(OPTIONS, dropout=0.0, patch=patch)).nucleotide.train()
    shapes = []
    model.register_forward_pre_hook(lambda module, inputs: shapes.append(inputs[0].shape))
    asvs, hidden = model(read)
    patches = -(-(read[:, 1:] != tokens.PAD).sum(dim=1) // patch)
    there = torch.arange(hidden.shape[1]) < patches[:, None]
    for chunk in (0, 3):
        shapes.clear()
        torch.testing.assert_close(model.embed(read, chunk), asvs)
        assert sum(rows * width for rows, width in shapes) < 0.75 * read.numel()
        assert sum(rows for rows, _ in shapes) == len(read)
        torch.testing.assert_close(model.hide(read, chunk)[there], hidden[there])
    weights = [weight for name, weight in model.named_parameters() if not name.startswith("nucleotides")]
    both = [torch.autograd.grad(found.square().sum(), weights) for found in (asvs, model.embed(read))]
    for one, two in zip(*both, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


def test_workers_change_no_batch(study):
    options = [replace(OPTIONS, num_workers=number) for number in (0, 2)]
    for one, two in zip(*(data.drawn_batches(study, np.arange(12), each, (0,)) for each in options), strict=True):
        for name in ("unique", "gather", "present", "abundance"):
            assert getattr(one, name).equal(getattr(two, name))


def test_bfloat16_leaves_unifrac_and_its_head_alone(study, encoder):
    batch = data.make_batch(study.counts, np.arange(6), 100)
    z = torch.randn(6, 16)
    plain = data.unifrac(batch, study.ancestors, study.lengths), encoder.unifrac(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert (z @ z.T).dtype == torch.bfloat16
        again = data.unifrac(batch, study.ancestors, study.lengths), encoder.unifrac(z)
    for one, two in zip(plain, again, strict=True):
        assert one.equal(two)


def test_bfloat16_steps_learn_and_differ(study):
    plain, mixed = (
        pretrain.pretrain(study, np.arange(12), study.samples, replace(OPTIONS, mixed_precision=name), (0,))
        for name in ("none", "bf16")
    )
    assert np.isfinite([row["total_loss"] for row in mixed[1]]).all()
    assert 0 < abs(plain[1][0]["total_loss"] - mixed[1][0]["total_loss"]) < 0.1
    assert all(value.dtype != torch.bfloat16 for value in mixed[0].state_dict().values())


@pytest.mark.parametrize("asked", [True, False])
def test_networks_are_compiled_where_asked(study, monkeypatch, asked):
    """Compiling itself takes minutes; here only who is compiled."""
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **options: compiled.append(type(self).__name__))
    pretrain.pretrain(study, np.arange(12), study.samples, replace(OPTIONS, compile_model=asked), (0,))
    assert compiled == (["NucleotideEncoder", "SampleEncoder"] if asked else [])


def test_pruning_the_tree_changes_no_distance():
    """Tips in one clade of a larger tree: the stem above the clade still counts."""
    rng = np.random.default_rng(5)
    taxa = [f"t{number}" for number in range(30)]
    tree = trees.tree_arrays(random_tree(taxa, rng))
    few = np.array(tree.tips[3:11])
    counts = scipy.sparse.csr_matrix(rng.poisson(1, (5, len(few))) + np.eye(5, len(few), dtype=int))
    batch = data.make_batch(counts, np.arange(5), 100)
    whole, pruned = data.above(tree, few), data.above(tree, few, prune=True)
    assert len(pruned[1]) < len(whole[1])
    torch.testing.assert_close(data.unifrac(batch, *whole), data.unifrac(batch, *pruned))


@pytest.mark.parametrize(("metric", "best"), [("mae", 1), ("main", 1), ("r2", 2), ("loss", 0)])
def test_the_metric_asked_for_chooses_the_epoch(metric, best):
    scores = [
        {"target_loss": 1.0, "mae": 3.0, "r2": 0.1},
        {"target_loss": 2.0, "mae": 2.0, "r2": 0.2},
        {"target_loss": 3.0, "mae": 2.5, "r2": 0.3},
    ]
    assert np.argmin([finetune.to_lower(row, metric) for row in scores]) == best


def test_a_metric_without_a_value_is_refused():
    with pytest.raises(InputError, match="best_metric=r2 has no value"):
        finetune.to_lower({"r2": np.nan}, "r2")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"embedding_dim": 9}, "embedding_dim=9 is no multiple of attention_heads=2"),
        ({"quantiles": [0.1, 0.9]}, r"quantiles=\[0.1, 0.9\] have no 0.5"),
        ({"batch_size": 1}, "batch_size=1 has no pair"),
        ({"best_metric": "mae"}, "best_metric=mae does not fit target diet, a classification"),
        ({"best_metric": "f1"}, "best_metric=f1 does not fit target age, a regression"),
    ],
)
def test_options_that_do_not_go_together_are_refused(changed, said):
    targets = {"diet": "classification", "age": "regression"}
    check_aam(asdict(OPTIONS), targets)
    check_aam(asdict(OPTIONS) | {"batch_size": 1, "stripe_mode": True}, targets)
    with pytest.raises(InputError, match=said):
        check_aam(asdict(OPTIONS) | changed, targets)


# --- splits, targets, predictions


def test_validation_keeps_groups_whole():
    groups = np.repeat([f"g{number}" for number in range(7)], [1, 5, 2, 9, 3, 3, 1])
    held = pretrain.split_groups(groups, 0.3, (0,))
    assert held.any()
    assert not set(groups[held]) & set(groups[~held])
    assert not pretrain.split_groups(np.full(4, "one"), 0.3, (0,)).any()


def test_hidden_asvs_are_about_the_share_asked_and_the_batch_stays_whole(study):
    batch = data.make_batch(study.counts, np.arange(12), 100)
    hidden = batches.hide_asvs(batch, 0.5, torch.Generator().manual_seed(0))
    assert not (hidden.present & ~batch.present).any()
    assert 0.35 < hidden.present.sum() / batch.present.sum() < 0.65
    assert batches.hide_asvs(batch, 0.0, torch.Generator()).present.equal(batch.present)


def test_class_weights_are_inverse_frequencies_and_absent_classes_weigh_nothing():
    target = Target("t", ("a", "b", "c"), 0.0, 1.0)
    truth = torch.tensor([0, 0, 0, 2])
    error = finetune.loss_function(target, truth, replace(OPTIONS, class_weights=True))
    logits = torch.randn(4, 3)
    losses = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
    weights = torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0])
    torch.testing.assert_close(error(logits, truth), (losses * weights).sum() / weights.sum())


@pytest.mark.parametrize("freeze", [True, False])
def test_fold_learns_regression_and_frozen_bases_stay(study, encoder, freeze):
    goal = make_task(study, np.arange(12.0), per_group=2)
    options = replace(OPTIONS, freeze_base=freeze)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    trained = finetune.train_fold(study, encoder, goal, 0, options, 0)
    train, test = goal.rows(0)
    guess = finetune.predict_fold(trained, study, encoder, test, options, 0)
    assert guess.shape == (len(test), 1)
    assert np.isfinite(guess).all()
    assert len(trained.members) == 2
    assert len(trained.residuals) == len(train)
    assert all(value.equal(before[name]) for name, value in encoder.state_dict().items())
    assert ("nucleotide.start" in trained.members[0].state_dict()) != freeze


def test_thirteen_samples_five_folds_a_missing_class_and_missing_values(encoder):
    study = make_study(13)
    values = ["a"] * 6 + ["b"] * 6 + ["rare"]  # the only "rare" is absent from one training fold
    goal = make_task(study, values, ["a", "b", "rare"], folds=5)
    goal = replace(goal, fold=np.where(np.arange(13) == 2, -1, goal.fold))
    frames = []
    for fold in range(5):
        trained = finetune.train_fold(study, encoder, goal, fold, OPTIONS, 0)
        test = goal.rows(fold)[1]
        guess = finetune.predict_fold(trained, study, encoder, test, OPTIONS, 0)
        np.testing.assert_allclose(guess.sum(axis=1), 1, rtol=1e-5)
        frames.append(predict.frame(study.samples[test], fold, goal.values[test], guess, trained.target, np.nan))
    ours = pd.concat(frames, ignore_index=True)
    evidence = Evidence(read_counts(study.counts, study.depth, 0))
    theirs, chosen = evaluate.baseline_predictions([goal], study.samples, evidence, OPTIONS, 0)
    found = evaluate.evaluate(goal, study.samples, ours, theirs, chosen, OPTIONS, 0)
    assert found.main.n == 12
    assert found.verdict.kind == "open"
    plain = {"majority", "logistic", "random_forest", "extra_trees", "gradient_boosting"}
    assert set(found.main.models) == {"aam", "stack", *plain}
    assert set(chosen) == plain - {"majority"}


def test_one_training_group_has_no_interval(study, encoder):
    goal = make_task(study, np.arange(12.0), per_group=6, folds=2)
    trained = finetune.train_fold(study, encoder, goal, 0, OPTIONS, 0)
    assert len(trained.residuals) == 0
    assert np.isnan(predict.half_width(trained.residuals, 0.9))


def test_prediction_follows_its_sample_whatever_the_batch(study, encoder):
    goal = make_task(study, np.arange(12.0))
    trained = finetune.train_fold(study, encoder, goal, 0, OPTIONS, 0)
    small, large = (
        finetune.predict_fold(trained, study, encoder, np.arange(12), replace(OPTIONS, batch_size=size), 0)
        for size in (1, 12)
    )
    np.testing.assert_allclose(small, large, atol=1e-5)


def test_conformal_half_width_is_the_asked_order_statistic():
    residuals = np.arange(1, 20) * np.array([1, -1] * 9 + [1])
    assert predict.half_width(residuals, 0.9) == 18  # ceil(20 * 0.9)
    assert predict.half_width(residuals, 0.99) == 19


def test_scale_comes_from_the_training_values_given():
    target = fit_target("t", np.array([1.0, 3.0]), None)
    assert (target.mean, target.std) == (2.0, 1.0)
    assert target.encode(np.array([5.0])).item() == 3.0
    assert fit_target("t", np.array([4.0, 4.0]), None).std == 1.0


# --- attribution


@pytest.mark.parametrize("categories", [None, ["a", "b"]])
def test_change_of_an_asv_is_the_prediction_without_it(study, encoder, categories):
    goal = make_task(study, ["a", "b"] * 6 if categories else np.arange(12.0), categories)
    trained = finetune.train_fold(study, encoder, goal, 0, OPTIONS, 0)
    one = saved.TrainedPredictor(trained, encoder, OPTIONS, study.depth, 0, [], [])
    found = attribution.attribute(one, study, np.array([4, 11]))
    asvs = pretext.embed_taxa(encoder, study)
    keys = batches.sample_keys(study.samples[[4, 11]])
    drawn = data.rarefy(study.counts[[4, 11]], study.depth, (0, predict.PREDICTION_DRAW), keys)
    for row, (name, member) in enumerate(zip(("s4", "s11"), trained.members, strict=True)):
        batch = data.make_batch(drawn, np.array([row]), OPTIONS.token_limit)
        own = found[found["sample"] == name]
        assert list(own["taxon"]) == list(study.taxa[batch.unique[batch.gather[0]].numpy()])
        for place in range(batch.present.shape[1]):
            without = replace(batch, present=batch.present.clone())
            without.present[0, place] = False
            said = [predict.outputs_of(member, study, each, asvs)[0].detach() for each in (batch, without)]
            said = [each.softmax(dim=0) if categories else each * trained.target.std for each in said]
            expected = (said[0] - said[1]).numpy()
            np.testing.assert_allclose(own.iloc[place, 2:].to_numpy(float), expected, atol=1e-5)


def test_changes_of_a_clade_add_up_and_a_sample_without_a_taxon_counts_as_none():
    found = pd.DataFrame({"sample": ["s", "s", "t"], "taxon": ["x", "y", "x"], "change": [1.0, 2.0, 3.0]})
    table = attribution.summarise(found)
    assert table.set_index("taxon")["change"].to_dict() == {"x": 2.0, "y": 1.0}
    assert table.set_index("taxon")["samples"].to_dict() == {"x": 2, "y": 1}
    lineages = pd.Series({"x": "k__B; g__One", "y": "k__B; g__One"})
    assert attribution.by_clade(table, lineages, "genus")["change"].to_dict() == {"One": 3.0}
    assert attribution.by_clade(table, lineages[:1], "genus")["change"].to_dict() == {"One": 2.0, "unassigned": 1.0}


def test_nearest_asv_is_never_itself_and_agrees_where_nothing_is_masked():
    every = tokens.tokenize(["ACGTACGT", "ACGTACGA", "TTTTTTTT"], 8)[:, 1:]
    seen = every.clone()[:1]
    seen[0, 7] = 6  # the letter in which the first two differ is masked
    assert quality.nearest_asv(seen, every[:1], every).tolist() == every[1:2].tolist()


def test_asvs_that_agree_in_all_that_is_read_of_them_are_not_new():
    """A copy of a known ASV is no test of what is restored: the nearest ASV has every letter of it."""
    study, train = make_study(12), np.arange(8)
    counts = study.counts.tolil()
    counts[:8, 20:] = 0
    letters = study.tokens.clone()
    letters[22:] = letters[:2]
    twins = replace(study, counts=counts.tocsr(), tokens=letters)
    model = pretrain.start(twins, train, pretext.Scales((0.5, 0.1), (0.0, 1.0)), OPTIONS, (0,))
    report = quality.judge(model, twins, train, np.arange(8, 12), OPTIONS, (0,))
    assert report["asvs_new"] == 2
    assert report["nearest_accuracy"] < 1


# --- files


def write_study(folder, study: Study, sequences: dict[str, str]) -> dict[str, str]:
    paths = {name: str(folder / name) for name in ("table.biom", "asvs.fasta", "tree.nwk", "rarefied.biom")}
    tables.write_table(study.counts, study.taxa, study.samples, paths["table.biom"])
    tables.write_table(data.rarefy(study.counts, 40, (0,)), study.taxa, study.samples, paths["rarefied.biom"])
    files.write_text("".join(f">{name}\n{letters}\n" for name, letters in sequences.items()), paths["asvs.fasta"])
    random_tree(list(study.taxa), np.random.default_rng(0)).write(paths["tree.nwk"])
    return paths


def test_features_without_sequence_are_left_out_and_counted(study, tmp_path, capsys):
    paths = write_study(tmp_path, study, {f"asv{number}": "ACGT" * 10 for number in range(20)})
    read = data.read_study(*paths.values(), options=OPTIONS)
    assert list(read.taxa) == [f"asv{number}" for number in range(20)]
    assert read.depth == 40
    assert "20 of 24 features have a sequence" in capsys.readouterr().out
    np.testing.assert_array_equal(read.counts.toarray(), study.counts[:, :20].toarray())


def test_no_sequences_at_all_is_refused_with_the_way_out(study, tmp_path):
    paths = write_study(tmp_path, study, {})
    with pytest.raises(InputError, match=r"input\.sequences.*aam\.enabled: false"):
        data.read_study(*paths.values(), options=OPTIONS)


def test_an_encoder_of_other_sizes_is_refused(study, encoder, tmp_path):
    pretrain.save_encoder(encoder, OPTIONS, tmp_path / "model.pt")
    with pytest.raises(InputError, match="embedding_dim"):
        pretrain.load_encoder(tmp_path / "model.pt", replace(OPTIONS, embedding_dim=32))


def test_target_is_aligned_by_sample_id(tmp_path):
    (tmp_path / "design.tsv").write_text("sample\tgroup\ttime\tage\tdiet\nc\tg2\t\t3\tveg\na\tg1\t\t1\t\n")
    files.write_json(
        {
            "fields": {},
            "targets": {
                "age": {"type": "regression", "unit": "years", "mean": 0, "std": 1},
                "diet": {"type": "classification", "categories": ["veg"]},
            },
        },
        tmp_path / "encoding.json",
    )
    (tmp_path / "splits.tsv").write_text("sample\tsplit\tfold\nc\ttrain\t1\na\ttest\t0\n")
    paths = [tmp_path / name for name in ("design.tsv", "encoding.json", "splits.tsv")]
    age = task.read_task(np.array(["a", "b", "c"]), *paths, "age")
    np.testing.assert_array_equal(age.values, [1, np.nan, 3])
    assert age.fold.tolist() == [0, -1, 1]
    assert age.groups.tolist() == ["g1", "", "g2"]
    assert age.unit == "years"
    diet = task.read_task(np.array(["a", "b", "c"]), *paths, "diet")
    assert diet.fold.tolist() == [-1, -1, 1]
    assert diet.categories == ["veg"]
    with pytest.raises(InputError, match=r"metadata\.targets\.diet"):
        diet.rows(1)


def test_pretraining_quality_names_the_references(study, encoder):
    encoder.recall.remember(study.tokens[:20])
    report = quality.judge(encoder, study, np.arange(8), np.arange(8, 12), OPTIONS, (0,))
    assert report["pairs"] == 6
    assert report["jaccard_r2"] <= 1
    assert 0 <= report["masked_accuracy"] <= 1
    alone = quality.judge(encoder, study, np.arange(11), np.arange(11, 12), OPTIONS, (0,))
    assert alone["unifrac_r2"] is None


# --- going on from an encoder of other samples


@pytest.mark.parametrize("clades", [0, 12])
def test_pretraining_goes_on_from_an_encoder_of_other_samples(study, tmp_path, clades):
    """Without a step of its own it is the other encoder, but for knowing the ASVs of its own samples too."""
    counts = study.counts.tolil()
    counts[:6, :4] = counts[6:, -4:] = 0
    study = replace(study, counts=counts.tocsr())
    options, few = replace(OPTIONS, clades=clades), np.arange(6)
    before, _ = pretrain.pretrain(study, few, study.samples[few], options, (5,))
    pretrain.save_encoder(before, options, tmp_path / "encoder.pt", study, learned=study.samples[few])
    going = replace(options, encoder=str(tmp_path / "encoder.pt"), pretrain_epochs=0)
    rest = np.arange(6, 12)
    model, _ = pretrain.pretrain(study, rest, study.samples[rest], going, (0,))
    for (name, one), two in zip(model.state_dict().items(), before.state_dict().values(), strict=True):
        if name not in ("recall.known", "recall.frequency"):
            assert one.equal(two), name
    assert len(before.recall.known) == len(study.taxa) - 4
    assert len(model.recall.known) == len(study.taxa)
    after, _ = pretrain.pretrain(study, rest, study.samples[rest], replace(going, pretrain_epochs=1), (0,))
    assert not after.nucleotide.places.equal(before.nucleotide.places)


def test_an_encoder_that_has_seen_the_samples_it_is_judged_on_is_refused(study, tmp_path):
    model = pretrain.make_encoder(OPTIONS, recall=True)
    pretrain.save_encoder(model, OPTIONS, tmp_path / "encoder.pt", study, learned=study.samples[:3])
    state = pretrain.read_encoder(tmp_path / "encoder.pt", OPTIONS)
    pretrain.check_unseen(state, "encoder.pt", study.samples[3:], "of this test")
    with pytest.raises(InputError, match=r"encoder.pt was pretrained on 1 samples .* judged by, of this test"):
        pretrain.check_unseen(state, "encoder.pt", study.samples[2:], "of this test")


def test_an_absent_encoder_is_refused_before_anything_runs():
    with pytest.raises(InputError, match=r"aam\.encoder none\.pt does not exist"):
        check_aam(asdict(replace(OPTIONS, encoder="none.pt")), {})
