// What is yours: copy nothing else. Values that change per installation come from the environment.
using 'main.bicep'

param baseName = readEnvironmentVariable('BASE_NAME', 'mlops')
param location = readEnvironmentVariable('LOCATION', 'westeurope')
param resourceGroupName = readEnvironmentVariable('RESOURCE_GROUP', 'mlops-RG')
param workspaceName = readEnvironmentVariable('WORKSPACE_NAME', 'mlops-AML-WS')
param federatedCredentials = []
