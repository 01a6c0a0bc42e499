"""What every learned stage learns with: one training loop, one file format, one set of layers, noise and batches.

`loop` trains, averages, stops and resumes a network, `monitor` shows it, `checkpoint` is the file, `device` and
`processes` say where it runs. `target` and `task` are what is predicted, `communities` what is generated and forecast,
`batches` the reads drawn anew in every step. `layers`, `conditions` and `noise` are what networks are made of; `copula`
is the generator without a network, `dequantise` and `counts` lead from reads to its values and back.
"""

HEADS = 4  # of attention where a stage does not let choose; every width is a multiple of it
