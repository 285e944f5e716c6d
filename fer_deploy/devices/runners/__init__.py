"""What runs a job where the artifact is: the job's files, and the programs that read them."""
