"""What `make bench` measures. Figures are medians of several runs; compare them only within one run of one machine."""
