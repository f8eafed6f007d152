"""What works on this machine and how fast: doctor, bench, engine libraries."""
