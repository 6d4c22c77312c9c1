"""The rules of `cachebust`, one module for each noun: order, volatile values, noise, mounts, ignore lines."""
