"""The seed network in PyTorch, tuned, as the other side of `npm run bench:engine`.

Started by bench/engine/run.ts with MALLOC_MMAP_THRESHOLD_ and friends set, so that glibc keeps its memory: without
them page faults alone make a step take seconds. Reads one JSON request a line on standard input
({"mode": "train" | "infer", "bn": bool, "bf16": bool, "batch": int, "repeats": int}) and answers each with one line of
JSON: seconds per repeat, and the peak resident memory in bytes. Networks are made once and kept.

Tuning: channels_last for images and weights, OMP threads as given, no gradient buffers zeroed (set_to_none), inference
under inference_mode; Adam with foreach, which is the faster of the two here.
"""
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZE, CLASSES = 224, 18
MEAN = torch.tensor([0.485, 0.456, 0.406])
STD = torch.tensor([0.229, 0.224, 0.225])


class Net(nn.Module):
    def __init__(self, bn):
        super().__init__()
        layers, channels, size = [], 3, SIZE
        for filters in (16, 32, 64):
            layers += [nn.Conv2d(channels, filters, 3)]
            layers += [nn.BatchNorm2d(filters)] if bn else []
            layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            channels, size = filters, (size - 2) // 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Linear(channels * size * size, 512), nn.ReLU(inplace=True), nn.Dropout(0.4), nn.Linear(512, CLASSES)
        )

    def forward(self, x):
        return self.head(torch.flatten(self.features(x), 1))


made = {}


def setup(bn, foreach):
    if (bn, foreach) not in made:
        torch.manual_seed(1)
        net = Net(bn).to(memory_format=torch.channels_last)
        made[bn, foreach] = net, torch.optim.Adam(net.parameters(), lr=1e-4, weight_decay=1e-4, foreach=foreach)
    return made[bn, foreach]


def image_batch(n):
    torch.manual_seed(n)
    return torch.randint(0, 256, (n, SIZE, SIZE, 3), dtype=torch.uint8), torch.randint(0, CLASSES, (n,))


def normalize(pixels):
    # NHWC to a channels_last view of NCHW: no copy but the conversion itself
    return pixels.float().mul_(1 / 255).sub_(MEAN).div_(STD).permute(0, 3, 1, 2)


def run(request):
    bn, bf16, n = request["bn"], request["bf16"], request["batch"]
    net, optimizer = setup(bn, request.get("foreach", True))
    pixels, labels = image_batch(n)
    seconds = []
    for _ in range(request["repeats"]):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            if request["mode"] == "train":
                net.train()
                loss = F.cross_entropy(net(normalize(pixels)), labels)
            else:
                net.eval()
                with torch.inference_mode():
                    net(normalize(pixels))
        if request["mode"] == "train":
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peakBytes": peak}


def blas():
    """The library behind matrix products: Debian's reference BLAS is twenty times slower than OpenBLAS."""
    torch.mm(torch.ones(8, 8), torch.ones(8, 8))
    with open("/proc/self/maps") as maps:
        text = maps.read()
    return next((name for name in ("mkl", "openblas", "blis") if name in text), "reference BLAS")


def main():
    torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps({"torch": torch.__version__, "blas": blas()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


main()
