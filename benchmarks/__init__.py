"""What the product costs, as ratios to a floor measured in the same run.

`python -m benchmarks` runs them all, `python -m benchmarks NAME` runs one.
"""
