package stack

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// clients are the AWS APIs of one account; the emulator is an account whose
// endpoint is set.
type clients struct {
	cloudfront *cloudfront.Client
	ecr        *ecr.Client
	ecs        *ecs.Client
	elb        *elb.Client
	s3         *s3.Client
	secrets    *secretsmanager.Client
}

// connect uses the operator's own AWS configuration, or for an endpoint of the
// emulator that endpoint and any keys.
func connect(ctx context.Context, region, endpoint string) (*clients, error) {
	options := []func(*config.LoadOptions) error{}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	var loaded aws.Config
	if endpoint != "" {
		// Nothing of the operator's environment may lead a local stack elsewhere.
		loaded = aws.Config{
			Region: region, BaseEndpoint: &endpoint, RetryMaxAttempts: 3,
			Credentials: credentials.NewStaticCredentialsProvider("emulator", "emulator", ""),
		}
	} else {
		var err error
		if loaded, err = config.LoadDefaultConfig(ctx, options...); err != nil {
			return nil, fmt.Errorf("read the AWS configuration: %w", err)
		}
	}
	return &clients{
		cloudfront: cloudfront.NewFromConfig(loaded),
		ecr:        ecr.NewFromConfig(loaded),
		ecs:        ecs.NewFromConfig(loaded),
		elb:        elb.NewFromConfig(loaded),
		s3:         s3.NewFromConfig(loaded, func(o *s3.Options) { o.UsePathStyle = endpoint != "" }),
		secrets:    secretsmanager.NewFromConfig(loaded),
	}, nil
}

// token reads the token that opens the API.
func (c *clients) token(ctx context.Context, arn string) (string, error) {
	out, err := c.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return "", fmt.Errorf("read the token from Secrets Manager: %w", err)
	}
	token := strings.TrimSpace(aws.ToString(out.SecretString))
	if token == "" {
		return "", fmt.Errorf("secret %s is empty", arn)
	}
	return token, nil
}
