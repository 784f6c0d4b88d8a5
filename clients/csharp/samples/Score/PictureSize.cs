using System.Buffers.Binary;

namespace Score;

/// <summary>Width and height of a picture in pixels, as stored: like the server, without a look at EXIF's orientation.</summary>
internal static class PictureSize
{
    /// <exception cref="InvalidDataException">Neither JPEG (ITU-T T.81), PNG, GIF, BMP nor WebP.</exception>
    public static (int Width, int Height) Of(ReadOnlySpan<byte> file)
    {
        if (file.Length >= 30)
        {
            if (file.StartsWith((ReadOnlySpan<byte>)[0xff, 0xd8]) && OfJpeg(file) is { } size)
            {
                return size;
            }

            if (file[1..4].SequenceEqual("PNG"u8))
            {
                return (BinaryPrimitives.ReadInt32BigEndian(file[16..]), BinaryPrimitives.ReadInt32BigEndian(file[20..]));
            }

            if (file.StartsWith("GIF8"u8))
            {
                return (BinaryPrimitives.ReadUInt16LittleEndian(file[6..]), BinaryPrimitives.ReadUInt16LittleEndian(file[8..]));
            }

            if (file.StartsWith("BM"u8))
            {
                // A negative height means that the rows begin at the top.
                return (BinaryPrimitives.ReadInt32LittleEndian(file[18..]), Math.Abs(BinaryPrimitives.ReadInt32LittleEndian(file[22..])));
            }

            if (file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8))
            {
                return OfWebP(file);
            }
        }

        throw new InvalidDataException("The picture's size cannot be read: it is no JPEG, PNG, GIF, BMP or WebP.");
    }

    /// <summary>From the frame header, the first segment SOF0 to SOF15 that is one.</summary>
    private static (int Width, int Height)? OfJpeg(ReadOnlySpan<byte> file)
    {
        for (var at = 2; at + 9 <= file.Length;)
        {
            if (file[at] != 0xff)
            {
                at++; // stray bytes between segments are passed over, as libjpeg does
                continue;
            }

            var marker = file[at + 1];
            if (marker is >= 0xc0 and <= 0xcf and not 0xc4 and not 0xc8 and not 0xcc)
            {
                return (BinaryPrimitives.ReadUInt16BigEndian(file[(at + 7)..]), BinaryPrimitives.ReadUInt16BigEndian(file[(at + 5)..]));
            }

            var isAlone = marker is 0x01 or (>= 0xd0 and <= 0xd8);
            at += marker == 0xff ? 1 : isAlone ? 2 : 2 + BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
        }

        return null;
    }

    /// <summary>Of the simple formats (RFC 9649, 2.5 and 2.6) and of the extended one (2.7).</summary>
    private static (int Width, int Height) OfWebP(ReadOnlySpan<byte> file)
    {
        if (file[12..16].SequenceEqual("VP8X"u8))
        {
            return (1 + UInt24(file[24..]), 1 + UInt24(file[27..]));
        }

        if (file[12..16].SequenceEqual("VP8L"u8))
        {
            var bits = BinaryPrimitives.ReadUInt32LittleEndian(file[21..]);
            return (1 + (int)(bits & 0x3fff), 1 + (int)((bits >> 14) & 0x3fff));
        }

        return (
            BinaryPrimitives.ReadUInt16LittleEndian(file[26..]) & 0x3fff,
            BinaryPrimitives.ReadUInt16LittleEndian(file[28..]) & 0x3fff);
    }

    private static int UInt24(ReadOnlySpan<byte> bytes) => bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
}
