"""Run history: experiments, runs, events."""
