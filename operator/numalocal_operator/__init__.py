"""The operator: CpuInferenceWorkers in, bound pods out.

observed                     raw pods -> what matters of them
pod, plan, status            planners: worker + observed -> manifests, next step, status
cluster                      the only calls of the Kubernetes API
reconcile                    observe, plan, apply, once
worklist, controller         when to reconcile what
handlers, config             what kopf and the Deployment say
"""
