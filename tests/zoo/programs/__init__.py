"""What is run: small programs of our own, run as files by jobs; the last word of each names the job."""
