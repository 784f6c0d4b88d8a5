namespace Accelserve.Client;

/// <summary>Arrays of several dimensions, without reflection over their types for the ranks that images have.</summary>
internal static class MultidimensionalArray
{
    /// <summary>An array of <paramref name="lengths"/> filled in row-major order.</summary>
    public static Array Of<T>(ReadOnlySpan<T> elements, int[] lengths)
    {
        var array = Empty<T>(lengths);
        if (elements.Length == 0)
        {
            return array;
        }

        if (typeof(T).IsPrimitive)
        {
            // Buffer.BlockCopy copies whole blocks between arrays of any rank.
            Buffer.BlockCopy(elements.ToArray(), 0, array, 0, Buffer.ByteLength(array));
            return array;
        }

        var place = new int[lengths.Length];
        foreach (var element in elements)
        {
            array.SetValue(element, place);
            Advance(place, lengths);
        }

        return array;
    }

    // Types that stand in the program are there after trimming and ahead-of-time compilation too.
    private static Array Empty<T>(int[] n) => n.Length switch
    {
        1 => new T[n[0]],
        2 => new T[n[0], n[1]],
        3 => new T[n[0], n[1], n[2]],
        4 => new T[n[0], n[1], n[2], n[3]],
        5 => new T[n[0], n[1], n[2], n[3], n[4]],
        6 => new T[n[0], n[1], n[2], n[3], n[4], n[5]],
        _ => throw new InvalidOperationException($"Tensors of up to 6 dimensions become arrays, got {n.Length}; use Memory."),
    };

    private static void Advance(int[] place, int[] lengths)
    {
        for (var axis = place.Length - 1; axis >= 0; axis--)
        {
            if (++place[axis] < lengths[axis])
            {
                return;
            }

            place[axis] = 0;
        }
    }
}
