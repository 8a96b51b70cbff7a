# The rules that tflint has of its own; no plug-in is fetched. All of them, not only
# the recommended ones.
plugin "terraform" {
  enabled = true
  preset  = "all"
}

# Files are split by topic, as large modules are read by topic.
rule "terraform_standard_module_structure" {
  enabled = false
}
