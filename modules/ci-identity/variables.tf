variable "name_prefix" {
  description = "Start of the names of everything that the roles may make and change, and of the roles themselves: an environment's own prefix must begin with it. Lower-case letters, digits and hyphens, 2 to 24 characters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must have 2 to 24 lower-case letters, digits and hyphens, start with a letter and not end with a hyphen: an environment's name is put behind it, and together they may have 32."
  }
}

variable "regions" {
  description = "Codes of the regions that the roles may work in, such as [\"eu-north-1\"]. us-east-1 is always among them, as CloudFront's certificates and web ACLs are there."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.regions) >= 1 && alltrue([for region in var.regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", region))])
    error_message = "regions must hold at least one code of a region, such as eu-north-1: a role that may work nowhere applies nothing."
  }
}

variable "hcp_terraform" {
  description = <<-EOT
    Who may take the roles of HCP Terraform; null for no such roles. `organization`: its name. `project`: the name of the
    project that the workspaces are in ("Default Project"). `workspaces`: their names by the names of the environments;
    each gets a plan role, for runs in the phase plan, and an apply role, for the phase apply.
  EOT
  type = object({
    organization = string
    project      = optional(string, "Default Project")
    workspaces   = map(string)
  })
  default = null

  validation {
    condition     = var.hcp_terraform == null || try(alltrue([for name in concat([var.hcp_terraform.organization, var.hcp_terraform.project], values(var.hcp_terraform.workspaces)) : can(regex("^[A-Za-z0-9 _-]+$", name))]), false)
    error_message = "hcp_terraform's organization, project and workspaces must be exact names of letters, digits, spaces, hyphens and underscores: they are compared with a run's identity, where a star or a colon would let in others."
  }

  validation {
    condition     = var.hcp_terraform == null || try(alltrue([for name in keys(var.hcp_terraform.workspaces) : can(regex("^[a-z][a-z0-9-]{0,11}$", name))]), false)
    error_message = "hcp_terraform.workspaces must be keyed by names of environments, 1 to 12 lower-case letters, digits and hyphens: they end the roles' names."
  }

  validation {
    condition     = var.hcp_terraform == null || try(alltrue([for one in keys(var.hcp_terraform.workspaces) : alltrue([for other in keys(var.hcp_terraform.workspaces) : one == other || !startswith(other, one)])]), false)
    error_message = "hcp_terraform.workspaces must not hold an environment whose name begins another's: what one may change is told by the start of its names."
  }
}

variable "github" {
  description = <<-EOT
    Who may take GitHub's roles; null for no such roles. `repository`: OWNER/NAME. `build_environment`: the GitHub
    environment whose jobs push images (build). `deploy_environments`: GitHub environments, whose jobs deploy, by the
    names of ours: each gets a role to read what stands and to publish the page. Restrict these environments to the main
    branch in GitHub's settings.
  EOT
  type = object({
    repository          = string
    build_environment   = optional(string, "build")
    deploy_environments = optional(map(string), {})
  })
  default = null

  validation {
    condition     = var.github == null || can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github.repository))
    error_message = "github.repository must be OWNER/NAME of one repository: it is compared with a job's identity, where a star would let in others."
  }

  validation {
    condition     = var.github == null || try(alltrue([for name in concat([var.github.build_environment], values(var.github.deploy_environments)) : can(regex("^[A-Za-z0-9_-]+$", name))]), false)
    error_message = "github's environments must be exact names of letters, digits, hyphens and underscores: they are compared with a job's identity, where a star or a colon would let in others."
  }

  validation {
    condition     = var.github == null || try(alltrue([for name in keys(var.github.deploy_environments) : can(regex("^[a-z][a-z0-9-]{0,11}$", name))]), false)
    error_message = "github.deploy_environments must be keyed by names of environments, 1 to 12 lower-case letters, digits and hyphens: they end the roles' names."
  }
}

variable "repository_arn" {
  description = "ARN of the ECR repository that GitHub's build role may push to; needed with `github`."
  type        = string
  default     = null

  validation {
    condition     = var.github == null || can(regex("^arn:[^:]+:ecr:[^:]+:[0-9]{12}:repository/[^*?]+$", var.repository_arn))
    error_message = "repository_arn must be given with github, as the ARN of one repository (arn:aws:ecr:REGION:ACCOUNT:repository/NAME)."
  }
}

variable "oidc_providers" {
  description = "ARNs of identity providers that the account has already, of which there can be only one each: `hcp_terraform` (app.terraform.io), `github` (token.actions.githubusercontent.com); null to make them here."
  type = object({
    hcp_terraform = optional(string)
    github        = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for arn in [var.oidc_providers.hcp_terraform, var.oidc_providers.github] : arn == null || can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/.+$", arn))])
    error_message = "oidc_providers must hold ARNs of identity providers (arn:aws:iam::ACCOUNT:oidc-provider/HOST) or null."
  }
}
