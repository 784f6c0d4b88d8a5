namespace Accelserve.Client;

/// <summary>The two float formats of 16 bits, widened without loss and narrowed to the nearest even.</summary>
internal static class Bits16
{
    /// <summary>A bfloat16 is the upper half of a float32.</summary>
    public static float FromBfloat(ushort bits) => Single((uint)bits << 16);

    /// <summary>The nearest bfloat16, ties to even; any NaN stays a NaN.</summary>
    public static ushort BfloatOf(float value)
    {
        var bits = Bits(value);
        if (float.IsNaN(value))
        {
            // Rounding could carry a NaN's last bits away and leave an infinity.
            return (ushort)((bits >> 16) | 0x40);
        }

        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>IEEE 754 binary16.</summary>
    public static float FromHalf(ushort bits)
    {
        var sign = (uint)(bits & 0x8000) << 16;
        var exponent = (bits >> 10) & 0x1F;
        var fraction = (uint)(bits & 0x3FF);
        if (exponent == 0x1F)
        {
            return Single(sign | 0x7F80_0000 | (fraction << 13));
        }

        if (exponent == 0)
        {
            // Subnormal: fraction * 2^-24, which a float32 holds exactly.
            var small = fraction * (1f / (1 << 24));
            return sign == 0 ? small : -small;
        }

        return Single(sign | ((uint)(exponent + 112) << 23) | (fraction << 13));
    }

    /// <summary>The nearest IEEE 754 binary16, ties to even; any NaN stays a NaN.</summary>
    public static ushort HalfOf(float value)
    {
        var bits = Bits(value);
        var sign = (bits >> 16) & 0x8000;
        var magnitude = bits & 0x7FFF_FFFF;
        if (magnitude > 0x7F80_0000)
        {
            return (ushort)(sign | 0x7E00 | ((magnitude >> 13) & 0x1FF));
        }

        // 65520 and above round to infinity.
        if (magnitude >= 0x477F_F000)
        {
            return (ushort)(sign | 0x7C00);
        }

        if (magnitude < 0x3880_0000)
        {
            // Below 2^-14 halves are multiples of 2^-24; Math.Round breaks ties to even.
            return (ushort)(sign | (uint)Math.Round(Math.Abs((double)value) * (1 << 24)));
        }

        return (ushort)(sign | (((magnitude + 0xFFF + ((magnitude >> 13) & 1)) >> 13) - (112 << 10)));
    }

#if NET
    private static float Single(uint bits) => BitConverter.UInt32BitsToSingle(bits);

    private static uint Bits(float value) => BitConverter.SingleToUInt32Bits(value);
#else
    private static float Single(uint bits)
    {
        Span<uint> one = [bits];
        return System.Runtime.InteropServices.MemoryMarshal.Cast<uint, float>(one)[0];
    }

    private static uint Bits(float value)
    {
        Span<float> one = [value];
        return System.Runtime.InteropServices.MemoryMarshal.Cast<float, uint>(one)[0];
    }
#endif
}
