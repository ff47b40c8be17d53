"""Operations of model management that take time: deployments, images, keys."""
