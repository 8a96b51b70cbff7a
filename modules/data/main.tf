# What lasts longer than a task. Each kind of store has a file of its own.

data "aws_caller_identity" "current" {}
