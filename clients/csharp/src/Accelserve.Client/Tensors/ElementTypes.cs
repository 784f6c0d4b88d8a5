using System.Numerics;
using Google.Protobuf;
using Tensorflow;

namespace Accelserve.Client;

/// <summary>TensorFlow's element types beside .NET's.</summary>
internal static class ElementTypes
{
    /// <summary>TensorFlow's name: <c>DT_FLOAT</c>; for a number without a name, the number.</summary>
    public static string NameOf(DataType type)
    {
        var descriptor = TypesReflection.Descriptor.EnumTypes[0].FindValueByNumber((int)type);
        return descriptor?.Name ?? ((int)type).ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>The element type of a .NET type.</summary>
    /// <exception cref="ArgumentException">It has none.</exception>
    public static DataType Of(Type type)
    {
        foreach (var (known, dataType) in _byType)
        {
            if (known == type)
            {
                return dataType;
            }
        }

        throw new ArgumentException($"{type} is no element of a tensor; expected a number, a bool, a string or bytes.");
    }

    /// <summary>Bytes of an element in <c>tensor_content</c>, and of the unit in it that has a byte order.</summary>
    /// <returns><see langword="null"/> where the elements have no fixed size, or are refused here.</returns>
    public static (int Element, int Unit)? SizeOf(DataType type) => type switch
    {
        DataType.DtUint8 or DataType.DtInt8 or DataType.DtBool or DataType.DtQint8 or DataType.DtQuint8 => (1, 1),
        DataType.DtInt16 or DataType.DtUint16 or DataType.DtQint16 or DataType.DtQuint16 or DataType.DtHalf
            or DataType.DtBfloat16 => (2, 2),
        DataType.DtFloat or DataType.DtInt32 or DataType.DtUint32 or DataType.DtQint32 => (4, 4),
        DataType.DtDouble or DataType.DtInt64 or DataType.DtUint64 => (8, 8),
        DataType.DtComplex64 => (8, 4),
        DataType.DtComplex128 => (16, 8),
        _ => null,
    };

    private static readonly (Type, DataType)[] _byType =
    [
        (typeof(float), DataType.DtFloat),
        (typeof(byte), DataType.DtUint8),
        (typeof(ByteString), DataType.DtString),
        (typeof(double), DataType.DtDouble),
        (typeof(int), DataType.DtInt32),
        (typeof(long), DataType.DtInt64),
        (typeof(bool), DataType.DtBool),
        (typeof(sbyte), DataType.DtInt8),
        (typeof(short), DataType.DtInt16),
        (typeof(ushort), DataType.DtUint16),
        (typeof(uint), DataType.DtUint32),
        (typeof(ulong), DataType.DtUint64),
        (typeof(Complex), DataType.DtComplex128),
#if NET
        (typeof(Half), DataType.DtHalf),
#endif
    ];
}
