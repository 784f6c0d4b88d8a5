namespace Score.Tests;

public sealed class PictureSizeTests
{
    // Made by Pillow: an image of 37 x 5 pixels in each format; files of these kinds begin so.
    [Theory]
    [InlineData("ffd8ffe000104a46494600010100000100010000ffdb0004000affc0001108000500250301220002110103110100", "JPEG")]
    [InlineData("ffd8ffe000044142000000ffffc2001108000500250301220002110103110100", "JPEG, progressive, with stray bytes")]
    [InlineData("89504e470d0a1a0a0000000d49484452000000250000000508020000000000", "PNG")]
    [InlineData("47494638396125000500f00000000000ffffff2c000000002500050000020200", "GIF")]
    [InlineData("424d7602000000000000360000002800000025000000fbffffff010018000000", "BMP, rows from the top")]
    [InlineData("52494646000000005745425056503820000000000000009d012a250005000000", "WebP, lossy")]
    [InlineData("524946460000000057454250565038580a000000000000002400000400000000", "WebP, extended")]
    [InlineData("52494646000000005745425056503 84c000000002f24000100000000000000", "WebP, lossless")]
    public void It_is_read_from_the_header(string hex, string format)
    {
        var header = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        Assert.True((37, 5) == PictureSize.Of(header), format);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ffd8")]
    [InlineData("000000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("ffd8ffe0ffff00000000000000000000000000000000000000000000000000000000")]
    public void Anything_else_is_refused(string hex) =>
        Assert.Throws<InvalidDataException>(() => PictureSize.Of(Convert.FromHexString(hex)));
}
