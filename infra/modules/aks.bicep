// The cluster that production runs on. `mlops azure init` attaches it to the workspace.
param baseName string
param location string
param vmSize string
param nodes int
param registryName string
param tags object

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registryName
}

resource aks 'Microsoft.ContainerService/managedClusters@2024-09-01' = {
  name: '${baseName}-aks'
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    dnsPrefix: '${baseName}-aks'
    enableRBAC: true
    // Azure ML attaches with the cluster's admin account.
    disableLocalAccounts: false
    autoUpgradeProfile: {
      upgradeChannel: 'patch'
    }
    agentPoolProfiles: [
      {
        name: 'serve'
        mode: 'System'
        count: nodes
        vmSize: vmSize
        osType: 'Linux'
      }
    ]
    networkProfile: {
      networkPlugin: 'azure'
      loadBalancerSku: 'standard'
    }
  }
}

// AcrPull: the nodes may pull images, no more.
resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, aks.id, 'AcrPull')
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')
    principalId: aks.properties.identityProfile.kubeletidentity.objectId
    principalType: 'ServicePrincipal'
  }
}

output resourceId string = aks.id
