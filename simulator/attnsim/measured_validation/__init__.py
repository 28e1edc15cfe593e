"""Judging the GPU model by measured timings: held-out rows, anchors on the same rows, targets, transfer, slices."""
