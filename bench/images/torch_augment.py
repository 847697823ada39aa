"""The study's augmentation by torchvision, as the other side of `npm run bench:images`.

Reads one line of JSON ({"files": [...], "size": int, "copies": int, "workers": int, "rounds": int}) on standard input and
answers with one line: the versions, and the seconds of each round. The transforms and their parameters are op-pipe's defaults.
Each image is decoded once; its original and its copies are made from that, in `workers` processes that are started
beforehand. Nothing is sent back but a number, so that no time goes into moving pixels between processes.
"""
import json
import multiprocessing
import sys
import time

import torch
import torchvision
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode


def prepare(size):
    global whole, copy
    torch.set_num_threads(1)
    whole = T.Resize((size, size), InterpolationMode.BILINEAR)
    copy = T.Compose(
        [
            T.RandomRotation(25, InterpolationMode.BILINEAR),
            T.RandomResizedCrop(size, (0.55, 1.0), (3 / 4, 4 / 3), InterpolationMode.BILINEAR),
            T.RandomHorizontalFlip(0.5),
        ]
    )


def work(job):
    file, copies = job
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    made = [T.functional.pil_to_tensor(whole(image))]
    made += [T.functional.pil_to_tensor(copy(image)) for _ in range(copies)]
    return sum(int(each[0, 0, 0]) for each in made)


def main():
    request = json.loads(sys.stdin.readline())
    jobs = [(file, request["copies"]) for file in request["files"]]
    seconds = []
    with multiprocessing.Pool(request["workers"], prepare, (request["size"],)) as pool:
        pool.map(work, jobs[:64])
        for _ in range(request["rounds"]):
            start = time.perf_counter()
            pool.map(work, jobs, 16)
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"torchvision": torchvision.__version__, "pillow": Image.__version__, "seconds": seconds}))


if __name__ == "__main__":
    main()
