"""Fig. 7: the values that are drawn."""

from foci3d.plots import slides


def test_slides_name_error_and_dice_of_each_layer(make_stack, mask_samples, mask_summary):
    scores = mask_samples[mask_samples["sample"] == 0]
    figure = slides.slides(make_stack(), scores, mask_summary, 55.0)
    titles = [axes.get_title() for axes in figure.axes]
    for row in scores.itertuples():
        assert f"error {100 * row.error:.1f} %, Dice {row.dice:.2f}" in titles
    assert figure.get_suptitle() == (
        "all 6 stacks: error 12.0 % (10.0 to 15.0), Dice 0.85 (0.83 to 0.88); no cells anywhere: error 30.0 %"
    )
    assert {"sensor A", "sensor B", "layer 4, 861 µm"} < set(titles)
