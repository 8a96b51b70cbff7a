region      = "eu-north-1"
environment = "production"
name_prefix = "reactive-notebook-production"
