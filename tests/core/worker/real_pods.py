"""Pods as controllers and other webhooks make them, with the fields that theirs have."""

from typing import Any, Final

_TOKEN: Final = {
    "name": "kube-api-access-x",
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    "readOnly": True,
}
_PROJECTED: Final = {
    "name": "kube-api-access-x",
    "projected": {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "c"}]}},
        ],
    },
}


def _pod(
    containers: list[dict[str, Any]],
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    for one in (*containers, *spec.get("initContainers", ())):
        one.setdefault("volumeMounts", []).append(_TOKEN)
        one |= {"terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "Always"}
    spec["volumes"] = [*spec.get("volumes", ()), _PROJECTED]
    return {
        "metadata": {
            "generateName": "llm-7d9c-",
            "labels": labels or {"app": "llm", "pod-template-hash": "7d9c"},
            "annotations": {"numalocal.io/cpusets": "1", **(annotations or {})},
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": "llm", "uid": "u", "apiVersion": "a"}
            ],
        },
        "spec": {
            "containers": containers,
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "securityContext": {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
            **spec,
        },
    }


def _vllm(name: str = "vllm", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": "docker.io/vllm/vllm-openai-cpu:v0.24.0",
        "args": ["--model", "Qwen/Qwen3-8B", "--dtype=bfloat16", "--max-model-len", "16384"],
        "env": [
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "HF_HOME", "value": "/models"},
        ],
        "ports": [{"containerPort": 8000, "name": "http"}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10},
        "resources": {"limits": {"memory": "48Gi"}, "requests": {"memory": "40Gi"}},
        **fields,
    }


ISTIO: Final = _pod(
    [
        {
            "name": "istio-proxy",
            "image": "docker.io/istio/proxyv2:1.24.0",
            "args": ["proxy", "sidecar", "--concurrency", "2"],
            "env": [{"name": "ISTIO_META_APP_CONTAINERS", "value": "server"}],
            "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m"}},
            "lifecycle": {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}},
        },
        {
            "name": "server",
            "image": "ghcr.io/ggml-org/llama.cpp:server",
            "args": ["-m", "/models/phi-4-Q4_K_M.gguf", "--host", "0.0.0.0"],
        },
    ],
    annotations={
        "numalocal.io/engine": "llama.cpp",
        "kubectl.kubernetes.io/default-container": "server",
        "sidecar.istio.io/status": '{"initContainers":["istio-init"],"containers":["istio-proxy"]}',
    },
    initContainers=[
        {
            "name": "istio-init",
            "image": "docker.io/istio/proxyv2:1.24.0",
            "args": ["istio-iptables", "-p", "15001"],
            "securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}},
        },
        {"name": "istio-proxy-native", "image": "proxyv2", "restartPolicy": "Always"},
    ],
    volumes=[{"name": "istio-envoy", "emptyDir": {"medium": "Memory"}}],
)
KSERVE: Final = _pod(
    [
        _vllm("kserve-container", args=["--model_name=llm", "--model_dir=/mnt/models"]),
        {
            "name": "queue-proxy",
            "image": "gcr.io/knative-releases/queue:v1.16",
            "env": [{"name": "SERVING_POD", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
            "resources": {"requests": {"cpu": "25m"}},
        },
    ],
    labels={"serving.kserve.io/inferenceservice": "llm", "component": "predictor"},
    annotations={
        "numalocal.io/engine": "vllm",
        "serving.kserve.io/deploymentMode": "Serverless",
        "autoscaling.knative.dev/min-scale": "1",
    },
    initContainers=[
        {
            "name": "storage-initializer",
            "image": "kserve/storage-initializer:v0.15",
            "args": ["hf://x", "/mnt/models"],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
            "volumeMounts": [{"name": "kserve-provision-location", "mountPath": "/mnt/models"}],
        }
    ],
    volumes=[{"name": "kserve-provision-location", "emptyDir": {}}],
    enableServiceLinks=False,
)
LEADER_WORKER_SET: Final = _pod(
    [
        _vllm(
            "vllm-leader",
            command=["sh", "-c", "ray start --head && vllm serve m -tp $(LWS_GROUP_SIZE)"],
            args=[],
        )
    ],
    labels={
        "leaderworkerset.sigs.k8s.io/name": "vllm",
        "leaderworkerset.sigs.k8s.io/worker-index": "0",
    },
    annotations={"numalocal.io/engine": "vllm", "leaderworkerset.sigs.k8s.io/size": "2"},
    subdomain="vllm",
    hostname="vllm-0",
)
GPU: Final = _pod(
    [
        _vllm(
            resources={
                "limits": {"nvidia.com/gpu": 1, "memory": "64Gi", "hugepages-2Mi": "1Gi"},
                "requests": {"nvidia.com/gpu": 1},
                "claims": [{"name": "card"}],
            },
            resizePolicy=[{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
        )
    ],
    resourceClaims=[{"name": "card", "resourceClaimTemplateName": "card"}],
    runtimeClassName="nvidia",
    schedulingGates=[{"name": "kueue.x-k8s.io/admission"}],
    affinity={
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
                ]
            }
        }
    },
)
POD_LEVEL: Final = _pod(
    [_vllm("a", resources={}), {"name": "log", "image": "fluent-bit"}],
    annotations={"numalocal.io/memory": "16Gi", "numalocal.io/engine": "sglang"},
    resources={"limits": {"memory": "64Gi"}, "requests": {"cpu": "9", "memory": "64Gi"}},
    hostNetwork=True,
    hostPID=True,
    hostIPC=True,
    shareProcessNamespace=False,
    hostUsers=True,
)
BATCH: Final = _pod(
    [
        {
            "name": "main",
            "image": "x",
            "command": ["/bin/bash", "-euo", "pipefail", "-c", 'exec python -m job "$@"', "--"],
            "args": ["--shards", "4"],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
            "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
            "volumeDevices": [{"name": "raw", "devicePath": "/dev/xvda"}],
            "tty": True,
            "stdin": True,
        }
    ],
    annotations={"numalocal.io/engine": "openmp", "numalocal.io/openmp": "intel"},
    restartPolicy="Never",
    ephemeralContainers=[{"name": "debugger", "image": "busybox", "targetContainerName": "main"}],
    activeDeadlineSeconds=3600,
    topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone"}],
)
REAL: Final = {
    "Istio": ISTIO,
    "KServe": KSERVE,
    "LeaderWorkerSet": LEADER_WORKER_SET,
    "GPU": GPU,
    "pod-level resources": POD_LEVEL,
    "batch": BATCH,
}
