"""MNIST, KMNIST and FashionMNIST: torchvision's files, only the one that is needed."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nice_anomaly.data.dataset import Dataset, Layout, Part
from nice_anomaly.data.download import check_md5, fetch_gzip, file_digest, unpack
from nice_anomaly.data.idx import read_images, read_labels
from nice_anomaly.data.listing import facts, why
from nice_anomaly.errors import DataError

FILES: dict[Part, str] = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
LABELS: dict[Part, str] = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}


@dataclass(frozen=True)
class IdxSet:
    """One of torchvision's MNIST-like sets; ``sha256`` of the unpacked files, where known."""

    name: str
    torchvision_class: str
    sha256: dict[Part, str]

    def load(self, part: Part, root: Path) -> Dataset:
        """Read the images of one part below ``root``, downloading the file if it is not there.

        Raises:
            DataError: not there and no download, truncated, wrong magic, wrong checksum.
        """
        path = self._file(root, FILES[part])
        images = read_images(path)
        expected = self.sha256.get(part)
        if expected is not None and file_digest(path, "sha256") != expected:
            raise DataError(
                f"{path} is not the published {self.torchvision_class} file: its SHA-256 is "
                f"{file_digest(path, 'sha256')}, expected {expected}. Delete it to have it "
                f"downloaded again, or put a good copy in its place."
            )
        return Dataset(self.name, Layout("image", (28, 28), 256), images)

    def classes(self, part: Part, root: Path) -> list[str]:
        """What each image of one part shows, as the digit of its label file.

        Raises:
            DataError: as for ``load``.
        """
        return [str(label) for label in read_labels(self._file(root, LABELS[part]))]

    def _file(self, root: Path, name: str) -> Path:
        path = root / self.torchvision_class / "raw" / name
        if facts(path) is None:
            self._obtain(path)
        return path

    def _obtain(self, path: Path) -> None:
        import torchvision.datasets as published

        source = getattr(published, self.torchvision_class)
        filename = f"{path.name}.gz"
        md5 = dict(source.resources)[filename]
        local = path.with_name(filename)
        if facts(local) is not None:
            unpacked = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                check_md5(local, md5)
                unpack(local, unpacked)
                unpacked.replace(path)
            except OSError as error:
                raise DataError(
                    f"cannot unpack {local}: {why(error)}. Unpack it by hand, or copy it "
                    f"to a folder that can be written and name that with `data_root`."
                ) from error
            finally:
                with suppress(OSError):
                    unpacked.unlink(missing_ok=True)
            return
        mirror = os.environ.get("NICE_ANOMALY_MIRROR")
        mirrors = [f"{mirror.rstrip('/')}/{self.torchvision_class}/"] if mirror else source.mirrors
        fetch_gzip([f"{address}{filename}" for address in mirrors], md5, path)


MNIST = IdxSet(
    "mnist",
    "MNIST",
    {
        "train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
)
KMNIST = IdxSet(
    "kmnist",
    "KMNIST",
    {"test": "76fbd229ce87db80dd281af5e6670de4ad0e42fb30a7bd643972994c47c1f42e"},
)
FASHION = IdxSet(
    "fashion",
    "FashionMNIST",
    {
        "train": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "test": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    },
)
