"""Trained models as ONNX, for programs without Python or PyTorch.

The file computes what `Model.predict_all` computes without the average over symmetries: the measurements are
normalized, passed through the network and decoded. A network that uses the PSF is exported for one point-spread
function, which becomes a constant of the graph: another imager needs another export. ONNX Runtime has no complex
numbers, hence the regularized inverses are computed with products of real matrices.
"""

import copy
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from foci3d.config.tasks import TASKS
from foci3d.errors import InputError
from foci3d.io.atomic import atomic_path
from foci3d.io.samples import Outputs
from foci3d.learning.model import Model, decode_outputs
from foci3d.learning.networks.physics import Bank, PhysicsNetwork, WienerBank
from foci3d.learning.networks.staged import StagedBank
from foci3d.learning.tasks import Task
from foci3d.optics.symmetric_filters import padded_size

OUTPUTS = {
    "predicted_depths_um": "depth of each layer (sample, layer) [um]",
    "predicted_depth_sds_um": "standard deviation of each depth (sample, layer) [um], not recalibrated",
    "occupancy": "score from 0 to 1 of whether a layer holds cells (sample, layer)",
    "count_probabilities": "probability of 0, 1, ... layers (sample, number of layers)",
}
"""What the outputs beside the first are, by name."""


Pair = tuple[Tensor, Tensor]
"""Real and imaginary parts of complex numbers."""


class MatrixWienerBank(nn.Module):
    r"""A `WienerBank` at fixed optics by products of real matrices.

    The discrete Fourier transform of a zero-padded image is a product with two matrices, and so is the inverse:

    .. math:: Y = A\, y\, B^T, \qquad \hat x = \Re\left(C\, (W \circ Y)\, D^T\right) ,

    where W is the regularized inverse of the transfer function. A and B hold only the columns of the P pixels of the
    measurement, C and D only the rows of the P pixels of the result; D counts each frequency of the half spectrum that
    stands for its conjugate, too, twice.

    Parameters
    ----------
    bank : WienerBank
        The bank, with its optics set.
    n_pixels : int
        Pixels P of a measurement in y and in x.
    """

    to_rows_real: Tensor
    to_rows_imag: Tensor
    to_columns_real: Tensor
    to_columns_imag: Tensor
    from_rows_real: Tensor
    from_rows_imag: Tensor
    from_columns_real: Tensor
    from_columns_imag: Tensor
    inverse_real: Tensor
    inverse_imag: Tensor

    def __init__(self, bank: WienerBank, n_pixels: int) -> None:
        super().__init__()
        transfer = _complex_transfer(bank.transfer[:, : bank.log_regularization.shape[1]], n_pixels)
        size, half = transfer.shape[-2:]
        pixels, frequencies = torch.arange(n_pixels), torch.arange(size)
        shifted = pixels + n_pixels - 1  # where the bank puts the measurement
        weight = torch.full((half,), 2.0, dtype=torch.float64)
        weight[0] = 1
        if size % 2 == 0:
            weight[-1] = 1
        for name, values in {
            "to_rows": _phases(-frequencies, shifted, size),
            "to_columns": _phases(-frequencies[:half], shifted, size).mT,
            "from_rows": _phases(pixels, frequencies, size) / size,
            "from_columns": (_phases(pixels, frequencies[:half], size) * (weight / size)).mT,
            "inverse": bank.filters(transfer).detach(),
        }.items():
            self.register_buffer(f"{name}_real", values.real.float().contiguous())
            self.register_buffer(f"{name}_imag", values.imag.float().contiguous())

    def forward(self, measurements: Tensor, transfer: None = None) -> Tensor:
        """Deconvolved images `(N, S * D * R, P, P)` of `measurements (N, S, P, P)`."""
        real, imag = self._spectra(measurements)
        spectra = (real[:, :, None, None], imag[:, :, None, None])
        return self._images(_multiply(spectra, (self.inverse_real, self.inverse_imag))).flatten(1, 3)

    def _spectra(self, images: Tensor) -> Pair:
        rows = (self.to_rows_real @ images, self.to_rows_imag @ images)
        return _multiply(rows, (self.to_columns_real, self.to_columns_imag), torch.matmul)

    def _images(self, spectra: Pair) -> Tensor:
        real, imag = _multiply((self.from_rows_real, self.from_rows_imag), spectra, torch.matmul)
        return real @ self.from_columns_real - imag @ self.from_columns_imag


class MatrixStagedBank(MatrixWienerBank):
    """A `StagedBank` at fixed optics by products of real matrices.

    Parameters
    ----------
    bank : StagedBank
        The bank, with its optics set.
    n_pixels : int
        Pixels P of a measurement in y and in x.
    """

    table_real: Tensor
    table_imag: Tensor
    transfer: None = None

    def __init__(self, bank: StagedBank, n_pixels: int) -> None:
        super().__init__(bank, n_pixels)
        self.bank = bank
        transfer = _complex_transfer(bank.transfer, n_pixels)
        self.register_buffer("table_real", transfer.real.contiguous())
        self.register_buffer("table_imag", transfer.imag.contiguous())

    def joint_images(self, transfer: None, measurements: Tensor, depths_um: Tensor) -> Tensor:
        """Those of `StagedBank`: with ``(H H* + noise)^-1 y`` first, as numbers of a sample, then H*."""
        layers = (self.bank.interpolate(self.table_real, depths_um), self.bank.interpolate(self.table_imag, depths_um))
        noise = self.bank.joint_regularization.T[:, :, None, None]  # (S, R, 1, 1)
        real, imag = self._spectra(measurements)
        explained = _solve((real[:, :, None], imag[:, :, None]), layers, noise)  # (N, S, R, F, F')
        conjugate = (layers[0][:, :, None], -layers[1][:, :, None])
        real, imag = _multiply((explained[0][:, :, :, None], explained[1][:, :, :, None]), conjugate)
        return self._images((real.sum(1), imag.sum(1))).flatten(1, 2)


def _solve(spectra: Pair, layers: Pair, noise: Tensor) -> Pair:
    """``(H H* + noise)^-1`` times spectra `(N, S, 1, F, F')`, of H `(N, S, L, F, F')` and noise `(S, R, 1, 1)`."""
    power = (layers[0].square() + layers[1].square()).sum(2)[:, :, None] + noise  # (N, S, R, F, F')
    if len(noise) == 1:
        return spectra[0] / power, spectra[1] / power
    (first, second), (first_imag, second_imag) = layers[0].unbind(1), layers[1].unbind(1)
    real, imag = (part.sum(1)[:, None] for part in _multiply((first, first_imag), (second, -second_imag)))
    determinant = (power[:, 0] * power[:, 1] - real.square() - imag.square())[:, None]
    mixed = (torch.cat([real, real], 1)[:, :, None], torch.cat([imag, -imag], 1)[:, :, None])
    by_other = _multiply((spectra[0].flip(1), spectra[1].flip(1)), mixed)
    real, imag = (part * power.flip(1) - change for part, change in zip(spectra, by_other, strict=True))
    return real / determinant, imag / determinant


def _complex_transfer(transfer: Tensor, n_pixels: int) -> Tensor:
    """Transfer functions `(..., F, F')` as Fourier transforms, of those of `WienerBank.transfer_functions`."""
    if transfer.is_complex():
        return transfer
    size, half = padded_size(n_pixels), transfer.shape[-1]
    mirrored = torch.cat([transfer, transfer[..., 1 : (size + 1) // 2, :].flip(-2)], -2)
    shift = _phases(-torch.arange(size), torch.tensor([n_pixels - 1]), size)  # of the centre of a kernel
    return (mirrored * shift * shift[:half].mT).to(torch.complex64)


def _phases(rows: Tensor, columns: Tensor, size: int) -> Tensor:
    """Matrix of ``exp(2 pi i r c / size)``, complex128; products are reduced first, which keeps all digits."""
    angle = (rows[:, None] * columns % size).double() * (2 * math.pi / size)
    return torch.polar(torch.ones_like(angle), angle)


def _multiply(left: Pair, right: Pair, product: Callable[[Tensor, Tensor], Tensor] = torch.mul) -> Pair:
    """Product of complex numbers, or of matrices of them."""
    (a, b), (c, d) = left, right
    return product(a, c) - product(b, d), product(a, d) + product(b, c)


MATRIX_BANKS: dict[type[Bank], Callable[..., nn.Module]] = {WienerBank: MatrixWienerBank, StagedBank: MatrixStagedBank}


class ExportedModel(nn.Module):
    """The whole computation from measurements in any unit to the outputs of the task.

    Parameters
    ----------
    model : Model
        A model; its network is not modified.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.task: Task = model.task
        self.depth_scale, self.max_depth_um = model.depth_scale, model.max_depth_um
        self.network = _copy_network(model)

    def forward(self, measurements: Tensor) -> tuple[Tensor, ...]:
        """Outputs for `measurements (N, S, Y, X)`, in the order of `output_names`."""
        return tuple(self._decode(measurements).arrays().values())

    def output_names(self, measurements: Tensor) -> list[str]:
        """Names of the outputs."""
        return [*self._decode(measurements).arrays()]

    def _decode(self, measurements: Tensor) -> Outputs[Tensor]:
        return decode_outputs(self.network, self.task, measurements, self.depth_scale, self.max_depth_um)


def _copy_network(model: Model) -> nn.Module:
    """The network on the CPU, in evaluation mode, with an exportable bank."""
    network = model.description.build_network()
    network.load_state_dict(model.network.state_dict())
    if isinstance(network, PhysicsNetwork) and isinstance(model.network, PhysicsNetwork):
        bank = model.network.bank
        if type(bank) not in MATRIX_BANKS:
            raise InputError(
                f"export: the network {model.description.network} has more than Wiener filters; expected physics_unet, "
                "staged_unet, physics_encoder or a network without optics. Choose another model."
            )
        on_cpu = copy.deepcopy(bank).cpu()  # `cpu` moves a module itself, which would be that of the model
        network.bank = MATRIX_BANKS[type(bank)](on_cpu, model.description.n_pixels)  # type: ignore[assignment]
    return network.cpu().eval()


def export_onnx(model: Model, path: str | Path) -> None:
    """Write a model as one ONNX file.

    Parameters
    ----------
    model : Model
        The model, with its optics set if it needs them.
    path : str or Path
        File to write. Input: `measurements` (sample, sensor, y, x), float32, linear in light, in any unit that the
        sensors of a sample share; the number of samples is free. Outputs: those of `Model.predict_all` by name. The
        metadata are kind, network, dataset, task, pixel pitch and separation of the sensors [um] for which it is
        exported, mean depths of the layers and depths of the classes [um], the digests of the weights and of the
        point-spread function, and what each output is.

    Raises
    ------
    InputError
        If the packages of the extra `onnx` are not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401, torch uses it
    except ImportError as error:
        raise InputError(
            f"export: the package {error.name} is not installed; expected the extra onnx. "
            "Run pip install '.[onnx]' in a clone of foci3d."
        ) from error
    description, exported = model.description, ExportedModel(model).eval()
    example = torch.ones(2, description.in_channels, description.n_pixels, description.n_pixels)
    example = example + torch.rand(example.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        names = exported.output_names(example)
    program = torch.onnx.export(
        exported,
        (example,),
        dynamo=True,
        input_names=["measurements"],
        output_names=names,
        dynamic_shapes=({0: torch.export.Dim("sample")},),
        verbose=False,
    )
    assert program is not None  # it is None only where `export` writes the file itself
    proto = program.model_proto
    onnx.helper.set_model_props(proto, _metadata(model, names))
    with atomic_path(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())


def _metadata(model: Model, outputs: Sequence[str]) -> dict[str, str]:
    description = model.description
    meanings = {name: OUTPUTS.get(name, TASKS[description.task].meaning) for name in outputs}
    return {
        "kind": "foci3d-model",
        "network": description.network,
        "dataset": description.dataset,
        "task": description.task,
        "pixel_pitch_um": f"{model.pixel_pitch_um:g}",
        "sensor_separation_um": f"{model.sensor_separation_um:g}",
        "layer_depths_um": json.dumps([model.depth_scale * layer.mean for layer in description.layer_depths_um]),
        "classes_um": json.dumps(description.classes_um),
        "weights": description.digests.weights,
        "psf": model.psf.digest if model.psf else "none",
        "outputs": json.dumps(meanings),
    }
