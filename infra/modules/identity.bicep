// The identity of the pipelines: signs in without a secret, and may train, register and deploy; it can neither make nor
// delete computes, nor change the workspace, nor grant anything.
param baseName string
param location string
param workspaceName string
param storageName string
param registryName string
param federatedCredentials array
param tags object

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registryName
}

resource pipelines 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${baseName}-pipelines'
  location: location
  tags: tags
}

// One at a time: the service refuses two at once.
@batchSize(1)
resource federation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = [
  for credential in federatedCredentials: {
    parent: pipelines
    name: credential.name
    properties: {
      issuer: credential.issuer
      subject: credential.subject
      audiences: [
        'api://AzureADTokenExchange'
      ]
    }
  }
]

// AzureML Data Scientist on the workspace.
resource science 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, pipelines.id, 'AzureML Data Scientist')
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'f6c7c914-8db3-469d-8ca1-694a8f32e121')
    principalId: pipelines.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// Storage Blob Data Contributor on the workspace's storage: data sets and the promotion log.
resource blobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, pipelines.id, 'Storage Blob Data Contributor')
  scope: storage
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
    principalId: pipelines.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// AcrPull on the registry: the digest of an image is read back after it was built.
resource images 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, pipelines.id, 'AcrPull')
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')
    principalId: pipelines.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

output clientId string = pipelines.properties.clientId
