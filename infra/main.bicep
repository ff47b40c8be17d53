// Everything that the Azure backend needs: a resource group with a workspace and what belongs to it, a compute cluster, an AKS
// cluster, and one identity for the pipelines with no more rights than they use.
targetScope = 'subscription'

@description('Prefix of all names: lower-case letters and digits, beginning with a letter.')
@minLength(3)
@maxLength(12)
param baseName string

@description('Region of all resources.')
param location string

@description('Resource group; made if it does not exist.')
param resourceGroupName string = '${baseName}-RG'

@description('Azure ML workspace.')
param workspaceName string = '${baseName}-AML-WS'

@description('Size of the nodes that train.')
param computeVmSize string = 'STANDARD_DS3_V2'

@description('Most nodes that train at once; none is kept when nothing runs.')
@minValue(1)
param computeMaxNodes int = 4

@description('Make the AKS cluster that production runs on. Without it, only QA can be deployed.')
param deployAks bool = true

@description('Size of the nodes that serve.')
param aksVmSize string = 'Standard_D2s_v5'

@description('Nodes that serve. Azure ML wants 12 virtual cores or more in a production cluster.')
@minValue(1)
param aksNodes int = 6

@description('Who may sign in as the pipelines without a secret: issuer and subject of each federated credential.')
param federatedCredentials array = []

@description('Tags of all resources.')
param tags object = {}

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module workspace 'modules/workspace.bicep' = {
  name: 'workspace'
  scope: group
  params: {
    baseName: baseName
    location: location
    workspaceName: workspaceName
    computeVmSize: computeVmSize
    computeMaxNodes: computeMaxNodes
    tags: tags
  }
}

module aks 'modules/aks.bicep' = if (deployAks) {
  name: 'aks'
  scope: group
  params: {
    baseName: baseName
    location: location
    vmSize: aksVmSize
    nodes: aksNodes
    registryName: workspace.outputs.registryName
    tags: tags
  }
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    baseName: baseName
    location: location
    workspaceName: workspace.outputs.workspaceName
    storageName: workspace.outputs.storageName
    registryName: workspace.outputs.registryName
    federatedCredentials: federatedCredentials
    tags: tags
  }
}

// What goes into the variable group devopsforai-aml-vg, or the variables of the repository on GitHub.
output RESOURCE_GROUP string = group.name
output WORKSPACE_NAME string = workspace.outputs.workspaceName
output AZURE_CLIENT_ID string = identity.outputs.clientId
output AZURE_TENANT_ID string = tenant().tenantId
output SUBSCRIPTION_ID string = subscription().subscriptionId
output AKS_COMPUTE_NAME string = deployAks ? 'aks' : ''
output MLOPS_AZURE_AKS_RESOURCE_ID string = deployAks ? aks.outputs.resourceId : ''
