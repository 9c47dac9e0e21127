"""export_inputs.py FOLDER TEXTS: pictures of several formats and shapes, and lines of text of many scripts."""
import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder, texts = Path(sys.argv[1]), sys.argv[2]
folder.mkdir()
random = np.random.default_rng(5)


def picture(height, width):  # smooth, so that JPEG keeps it, with a hard edge
    coarse = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = np.array(Image.fromarray(coarse).resize((width, height), Image.BICUBIC))
    image[height // 3:, : width // 4] = 255 - image[height // 3:, : width // 4]
    return Image.fromarray(image)


picture(61, 90).save(folder / "wide.png")
picture(200, 77).save(folder / "tall.png")
picture(32, 32).save(folder / "exact.png")
picture(20, 20).save(folder / "small.png")
picture(50, 64).convert("L").save(folder / "grey.png")
picture(120, 100).save(folder / "lossless.webp", lossless=True)
picture(64, 96).save(folder / "photo.jpg", quality=90, subsampling=0)

# Every kind of pixel that Pillow resizes in its own way. Padding of palettes is not compared: it takes their first colour.
palette = picture(70, 43).quantize(40)
palette.putpalette([0, 0, 0] + palette.getpalette()[3:])
for suffix in ("png", "gif", "bmp", "tif"):
    palette.save(folder / f"palette.{suffix}")
palette.save(folder / "palette_clear.png", transparency=3)
for suffix in ("png", "bmp"):
    picture(45, 81).convert("1").save(folder / f"one_bit.{suffix}")
picture(45, 81).convert("1").save(folder / "fax.tif", compression="group4")
deep = Image.fromarray((np.array(picture(90, 50).convert("L")).astype(np.uint16) * 3))
deep.save(folder / "grey_16.png")
deep.save(folder / "grey_16.tif")
alpha = picture(88, 61)
alpha.putalpha(picture(88, 61).convert("L"))
alpha.save(folder / "alpha.png")
alpha.save(folder / "alpha.tif", compression="tiff_lzw")
alpha.save(folder / "alpha.webp", lossless=True, exact=True)
alpha.convert("LA").save(folder / "grey_alpha.png")
picture(66, 90).convert("CMYK").save(folder / "cmyk.tif")
picture(66, 90).convert("CMYK").save(folder / "cmyk.jpg", quality=95, subsampling=0)
picture(57, 90).save(folder / "colours.bmp")
picture(57, 90).save(folder / "turned.tif", tiffinfo={274: 6})
frames = [picture(57, 90).quantize(16) for _ in range(3)]
frames[0].putpalette([0, 0, 0] + frames[0].getpalette()[3:])
frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:], duration=40)
picture(57, 90).save(folder / "moving.webp", lossless=True, save_all=True, append_images=[picture(57, 90)], duration=40)

lines = ["greek small letter alpha", "GREEK CAPITAL LETTER OMEGA", "Greek  letter\tPi, in  bold", " leading and trailing ",
         "", " ", "a", "A picture of a house: 3 rooms, 2 doors!", "x" * 200, "alpha " * 40, "don't stop (now) [or] {then}",
         "\u03b1\u03b2\u03b3 \u0391\u0392\u0393 \u03c2\u03a3", "stra\u00dfe STRASSE", "\u0130stanbul \u0131", "\u00c5ngstr\u00f6m A\u030angstrom",
         "e\u0301 \u00e9 E\u0301", "\ufb01sh \u2460 \u00bd \u2122", "\uff21\uff22\uff23 \uff11", "\u6771\u4eac\u30bf\u30ef\u30fc \uff76\uff9e", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab",
         "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0627\u0644\u0633\u0644\u0627\u0645", "\U0001f600 smile \U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd",
         "zero\u200bwidth soft\u00adhyphen", "non\u00a0breaking em\u2003space", "\u2581 block", "\u201ccurly\u201d \u2018quotes\u2019",
         "banana bananas anan nana abababa", "mixed\u0301\u0302\u0303 marks", "\u1e9b\u0323", "\u01c6 \u01c5 \u01c4"]
words = ["greek", "small", "capital", "letter", "alpha", "beta", "lunate", "sigma", "with", "tonos", "dialytika", "and",
         "Omega", "KAPPA", "sans", "Serif", "bold", "oblique", "123", "4.5", "caf\u00e9", "na\u00efve"]
for _ in range(400):
    lines.append(" ".join(random.choice(words, random.integers(1, 12))))
for _ in range(200):
    lines.append("".join(random.choice(list("aabbeghlmnoprst  "), random.integers(1, 40))))
for _ in range(200):  # any letters of the first planes, without line ends and surrogates
    codes = [int(c) for c in random.integers(0x20, 0x3000, 12)]
    lines.append("".join(chr(c) for c in codes if chr(c).isprintable()))
Path(texts).write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
