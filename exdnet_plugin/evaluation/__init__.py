"""How good results are: of paired pictures, of pictures without a ground truth, and of videos; and reports of it."""
