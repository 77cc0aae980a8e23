"""What the bundled model does with a list of words that it has seen before."""

from pytest_circuits import assert_head_ranking, assert_logit_diff_recovered


def test_answer_writers(circuits, circuit_snapshot, recall_pairs):
    attribution = circuits.head_attribution(recall_pairs)
    assert attribution == circuit_snapshot
    assert_head_ranking(attribution, top=["L1H0", "L1H3"], margin=0.5)


def test_answer_restored(circuits, circuit_snapshot, recall_pairs):
    recovered = circuits.patch(recall_pairs)
    assert recovered == circuit_snapshot
    assert_logit_diff_recovered(recovered, at_least=0.1, heads=3)
