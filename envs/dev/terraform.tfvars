region      = "eu-north-1"
environment = "dev"
name_prefix = "reactive-notebook-dev"
