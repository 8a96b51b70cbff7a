region      = "eu-north-1"
name_prefix = "reactive-notebook"
