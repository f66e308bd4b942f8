"""How near results are to a ground truth: metrics of pictures and of paired folders."""
