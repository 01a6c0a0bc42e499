"""What every learned result is judged with: metrics, distributions, one bootstrap over groups, baselines, verdicts."""
