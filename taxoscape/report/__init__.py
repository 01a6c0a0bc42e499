"""The report: one HTML file that tells what came in, what was lost, what was learned and what it is worth."""
