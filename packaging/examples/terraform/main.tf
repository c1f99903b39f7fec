# A group of instances that enrol by one token. The token is in Terraform's state and in the user data: give it few
# uses, a short life and the group's network, and make a new one for the next roll-out.
variable "collector" {
  description = "DNS name of the collector"
  type        = string
}

variable "vedette_token" {
  description = "one line of `vedette-collector token create --uses N`; set TF_VAR_vedette_token"
  type        = string
  sensitive   = true
}

variable "image" {
  description = "machine image"
  type        = string
}

resource "aws_launch_template" "web" {
  name_prefix   = "web-"
  image_id      = var.image
  instance_type = "t3.small"

  metadata_options {
    http_tokens = "required"
  }

  user_data = base64encode(templatefile("${path.module}/user-data.yaml.tftpl", {
    collector = var.collector
    token     = var.vedette_token
  }))
}
