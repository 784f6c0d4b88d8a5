using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace Accelserve.Client;

/// <summary>Elements seen in memory that holds them already, so that a tensor costs no copy.</summary>
[SuppressMessage("Correctness", "IDISP004", Justification = "A view owns nothing; its memory keeps it alive.")]
[SuppressMessage("Correctness", "IDISP010", Justification = "MemoryManager's is abstract.")]
internal static class MemoryViews
{
    /// <summary>Little-endian bytes as elements; on a big-endian machine a copy in its own order.</summary>
    /// <param name="bytes">A whole number of elements.</param>
    /// <param name="unit">Bytes of what has an order: 8 for a complex number of 16.</param>
    public static ReadOnlyMemory<T> Elements<T>(ReadOnlyMemory<byte> bytes, int unit)
        where T : struct
    {
        if (typeof(T) == typeof(byte))
        {
            return (ReadOnlyMemory<T>)(object)bytes;
        }

        return new ByteView<T>(BitConverter.IsLittleEndian ? bytes : Reversed(bytes, unit)).Memory;
    }

    /// <summary>Elements as little-endian bytes; on a big-endian machine a copy.</summary>
    public static ReadOnlyMemory<byte> Bytes<T>(ReadOnlyMemory<T> elements, int unit)
        where T : struct
    {
        if (typeof(T) == typeof(byte))
        {
            return (ReadOnlyMemory<byte>)(object)elements;
        }

        ReadOnlyMemory<byte> bytes = new ElementView<T>(elements).Memory;
        return BitConverter.IsLittleEndian ? bytes : Reversed(bytes, unit);
    }

#if NET
    /// <summary>Bit patterns as halves.</summary>
    public static ReadOnlyMemory<Half> Halves(ReadOnlyMemory<ushort> bits) => new BitView(bits).Memory;

    private sealed class BitView(ReadOnlyMemory<ushort> bits) : View<Half>
    {
        public override Span<Half> GetSpan() => MemoryMarshal.Cast<ushort, Half>(MemoryMarshal.AsMemory(bits).Span);
    }
#endif

    /// <summary>The first values of a repeated field.</summary>
    public static ReadOnlyMemory<T> Values<T>(RepeatedField<T> field, int count)
        where T : struct =>
        count == 0 ? ReadOnlyMemory<T>.Empty : new FieldView<T>(field, count).Memory;

    private static byte[] Reversed(ReadOnlyMemory<byte> bytes, int unit)
    {
        var reversed = bytes.ToArray();
        for (var start = 0; start + unit <= reversed.Length; start += unit)
        {
            Array.Reverse(reversed, start, unit);
        }

        return reversed;
    }

    /// <summary>A view: its memory is handed out as <see cref="ReadOnlyMemory{T}"/> alone, so nobody writes.</summary>
    private abstract class View<T> : MemoryManager<T>
        where T : struct
    {
        /// <summary>Pins a copy, since what holds the original offers no way to pin it.</summary>
        public override MemoryHandle Pin(int elementIndex = 0) =>
            GetSpan().Slice(elementIndex).ToArray().AsMemory().Pin();

        public override void Unpin()
        {
            // The handle that Pin gave out unpins its copy by itself.
        }

        protected override void Dispose(bool disposing)
        {
            // Nothing is owned.
        }
    }

    private sealed class ByteView<T>(ReadOnlyMemory<byte> bytes) : View<T>
        where T : struct
    {
        public override Span<T> GetSpan() => MemoryMarshal.Cast<byte, T>(MemoryMarshal.AsMemory(bytes).Span);
    }

    private sealed class ElementView<T>(ReadOnlyMemory<T> elements) : View<byte>
        where T : struct
    {
        public override Span<byte> GetSpan() => MemoryMarshal.AsBytes(MemoryMarshal.AsMemory(elements).Span);
    }

    private sealed class FieldView<T>(RepeatedField<T> field, int count) : View<T>
        where T : struct
    {
        public override Span<T> GetSpan() => UnsafeCollectionOperations.AsSpan(field).Slice(0, count);
    }
}
