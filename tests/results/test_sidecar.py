import json
import os
import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageOps

from agebatch.errors import OutputError, UsageError
from agebatch.results.schema import row
from agebatch.results.sidecar import check_prefix, sidecar_path, stored_area, write_sidecar

WIDTH, HEIGHT = 120, 80
X, Y, W, H = 30, 8, 24, 16  # the marked face in the stored picture, pixels
EXIFTOOL = shutil.which("exiftool")

DIGIKAM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
    xmlns:digi="http://www.digikam.org/ns/1.0/"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    tiff:Orientation="6">
   <!-- a remark -->
   <dc:subject><rdf:Bag><rdf:li>Anna</rdf:li><rdf:li>agebatch|age|0-9</rdf:li></rdf:Bag></dc:subject>
   <digi:TagsList><rdf:Seq><rdf:li>People/Anna</rdf:li></rdf:Seq></digi:TagsList>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face">
      <mwg-rs:Area stArea:x="0.9" stArea:y="0.9" stArea:w="0.1" stArea:h="0.1" stArea:unit="normalized"/>
    </rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def face(**more):
    values = {
        "path": "a.jpg", "status": "ok", "width": WIDTH, "height": HEIGHT, "faces": 1, "face": 0, "x": X, "y": Y,
        "w": W, "h": H, "face_score": 0.99, "age": 34.2, "age_low": 28.0, "age_high": 41.5,
        "gender": "female", "gender_confidence": 0.97,
    }  # fmt: skip
    return row(**{**values, **more})


def photo_with(folder, orientation, suffix="jpg"):
    """A photo whose face is bright, and the row that a scan would give: the box in the upright picture."""
    stored = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stored[Y : Y + H, X : X + W] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f"o{orientation}.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, **({"quality": 95} if suffix == "jpg" else {}))
    with Image.open(path) as image:
        image.load()  # Pillow turns TIFFs itself, and only now
        upright = np.asarray(ImageOps.exif_transpose(image))[..., 0] > 128
    ys, xs = np.nonzero(upright)
    box = {"x": xs.min(), "y": ys.min(), "w": np.ptp(xs) + 1, "h": np.ptp(ys) + 1}
    return path, face(width=upright.shape[1], height=upright.shape[0], **box)


def exiftool(path):
    told = subprocess.run(
        [EXIFTOOL, "-json", "-struct", "-n", "-XMP:all", os.fspath(path)], capture_output=True, check=True
    )
    return json.loads(told.stdout)[0]


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_lie_in_the_stored_picture(tmp_path, orientation, suffix):
    path, found = photo_with(tmp_path, orientation, suffix)
    assert write_sidecar(path, [found]).changed
    text = (tmp_path / f"o{orientation}.{suffix}.xmp").read_text("utf-8")
    for name, value in {
        "x": (X + W / 2) / WIDTH,
        "y": (Y + H / 2) / HEIGHT,
        "w": W / WIDTH,
        "h": H / HEIGHT,
    }.items():
        said = float(text.split(f'stArea:{name}="')[1].split('"')[0])
        assert said == pytest.approx(value, abs=0.011 if suffix in ("jpg", "webp") else 1e-6)
    assert f'stDim:w="{WIDTH}" stDim:h="{HEIGHT}"' in text


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
def test_exiftool_reads_all_eight_orientations_back(tmp_path):
    for orientation in range(1, 9):
        path, found = photo_with(tmp_path, orientation)
        before = path.read_bytes()
        write_sidecar(path, [found])
        assert path.read_bytes() == before
        told = exiftool(sidecar_path(path))
        info = told["RegionInfo"]
        assert info["AppliedToDimensions"] == {"W": WIDTH, "H": HEIGHT, "Unit": "pixel"}
        (region,) = info["RegionList"]
        area = region["Area"]
        assert region["Type"] == "Face" and "Name" not in region and "age 34" in region["Description"]
        assert (area["X"], area["Y"]) == pytest.approx(((X + W / 2) / WIDTH, (Y + H / 2) / HEIGHT), abs=0.011)
        assert (area["W"], area["H"]) == pytest.approx((W / WIDTH, H / HEIGHT), abs=0.02)
        assert told["Subject"] == ["agebatch|age|30-39", "agebatch|gender|female"]
        assert told["HierarchicalSubject"] == told["Subject"]
        assert told["TagsList"] == ["agebatch/age/30-39", "agebatch/gender/female"]


def test_a_second_run_writes_nothing(tmp_path):
    path, found = photo_with(tmp_path, 6)
    assert write_sidecar(path, [found]).changed
    first = (tmp_path / "o6.jpg.xmp").read_bytes()
    assert not write_sidecar(path, [found]).changed
    assert (tmp_path / "o6.jpg.xmp").read_bytes() == first
    assert write_sidecar(path, [{**found, "age": 61.0}]).changed
    second = (tmp_path / "o6.jpg.xmp").read_text("utf-8")
    assert "60-69" in second and "30-39" not in second and second.count("mwg-rs:Area") == 1


def test_what_others_wrote_stays(tmp_path):
    path, found = photo_with(tmp_path, 1)
    sidecar = tmp_path / "o1.jpg.xmp"
    sidecar.write_text(DIGIKAM, "utf-8")
    assert write_sidecar(path, [found]).changed
    text = sidecar.read_text("utf-8")
    for theirs in (
        'tiff:Orientation="6"', "<!-- a remark -->", "<rdf:li>Anna</rdf:li>", "<rdf:li>People/Anna</rdf:li>",
        'mwg-rs:Name="Anna"', 'stArea:x="0.9"', "<digi:TagsList>", "Exiv2", '<?xpacket end="w"?>',
    ):  # fmt: skip
        assert theirs in text
    assert "agebatch|age|0-9" not in text and "agebatch|age|30-39" in text and "agebatch/age/30-39" in text
    assert "hierarchicalSubject" not in text
    assert text.count("stArea:unit") == 2
    assert not write_sidecar(path, [found]).changed
    # Without a face ours goes and theirs is what it was, but for our old keyword.
    write_sidecar(path, [row(path="a.jpg", status="no_face", faces=0)])
    left = ElementTree.canonicalize(sidecar.read_text("utf-8"), with_comments=True)
    then = DIGIKAM.replace("<rdf:li>agebatch|age|0-9</rdf:li>", "")
    assert left == ElementTree.canonicalize(then, with_comments=True)


def test_a_named_face_is_somebodys(tmp_path):
    path, found = photo_with(tmp_path, 1)
    write_sidecar(path, [found])
    sidecar = tmp_path / "o1.jpg.xmp"
    named = sidecar.read_text("utf-8").replace("<mwg-rs:Type>", "<mwg-rs:Name>Bea</mwg-rs:Name><mwg-rs:Type>")
    sidecar.write_text(named, "utf-8")
    write_sidecar(path, [{**found, "age": 12.0}])
    text = sidecar.read_text("utf-8")
    assert "Bea" in text and text.count("<mwg-rs:Area") == 1 and "10-19" in text


@pytest.mark.parametrize(
    "content",
    [
        b"not XML at all",
        b"<html/>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>",
    ],
)
def test_what_is_no_xmp_is_left_alone(tmp_path, content):
    path, found = photo_with(tmp_path, 1)
    (tmp_path / "o1.jpg.xmp").write_bytes(content)
    told = write_sidecar(path, [found])
    assert not told.changed and "left alone" in told.problem
    assert (tmp_path / "o1.jpg.xmp").read_bytes() == content


def test_no_face_makes_no_sidecar_and_a_broken_photo_is_told_of(tmp_path):
    path, found = photo_with(tmp_path, 1)
    assert write_sidecar(path, [row(path="a.jpg", status="no_face", faces=0)]).changed is False
    assert "how the photo is stored" in write_sidecar(tmp_path / "gone.jpg", [found]).problem
    assert [entry.name for entry in tmp_path.iterdir()] == ["o1.jpg"]


def test_boxes_beyond_the_border_are_cut():
    assert stored_area(face(x=-10, y=70, w=20, h=40), 1) == pytest.approx(
        (5 / 120, 75 / 80, 10 / 120, 10 / 80)
    )


@pytest.mark.parametrize("bad", ["", "a|b", "a/b", "a\nb"])
def test_bad_prefixes(bad):
    with pytest.raises(UsageError):
        check_prefix(bad)
    assert check_prefix("Scan 2026") == "Scan 2026"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_ends_the_run(tmp_path):
    path, found = photo_with(tmp_path, 1)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError):
            write_sidecar(path, [found])
    finally:
        tmp_path.chmod(0o700)
