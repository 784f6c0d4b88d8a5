using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>Answers of Predict, read.</summary>
internal static class Responses
{
    /// <summary>The tensors of a response.</summary>
    /// <param name="response">Of a request for the same <paramref name="outputs"/>.</param>
    /// <param name="outputs">Names, or none for all, sorted.</param>
    /// <param name="limitBytes">Bytes that one tensor may take.</param>
    /// <exception cref="UnexpectedResponseException">An output is missing or cannot be read, or there are none.</exception>
    public static Prediction Read(PredictResponse response, IReadOnlyList<string>? outputs, long limitBytes)
    {
        var names = outputs is { Count: > 0 } ? Copy(outputs) : Sorted(response);
        if (names.Length == 0)
        {
            throw new UnexpectedResponseException("The response has no outputs.");
        }

        var tensors = new TensorData[names.Length];
        for (var i = 0; i < names.Length; i++)
        {
            tensors[i] = Output(response, names[i], limitBytes);
        }

        return new Prediction(response, names, tensors);
    }

    /// <summary>The answers for each picture of a batch.</summary>
    /// <exception cref="UnexpectedResponseException">The batch has another size.</exception>
    public static IReadOnlyList<Prediction> Split(Prediction batch, int count)
    {
        foreach (var output in batch)
        {
            if (output.Value.Shape is not [var first, ..] || first != count)
            {
                throw new UnexpectedResponseException(
                    $"Expected an answer for each of {count} pictures, got {output.Key}: {output.Value}.", output.Key);
            }
        }

        return batch.SplitBatch();
    }

    private static string[] Copy(IReadOnlyList<string> outputs)
    {
        var names = new string[outputs.Count];
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = outputs[i];
        }

        return names;
    }

    /// <summary>A map on the wire has no order; sorting makes the same answer look the same every time.</summary>
    private static string[] Sorted(PredictResponse response)
    {
        var names = new string[response.Outputs.Count];
        response.Outputs.Keys.CopyTo(names, 0);
        Array.Sort(names, StringComparer.Ordinal);
        return names;
    }

    private static TensorData Output(PredictResponse response, string name, long limitBytes)
    {
        if (!response.Outputs.TryGetValue(name, out var proto))
        {
            throw new UnexpectedResponseException(
                $"The response has no output '{name}', only {{{string.Join(", ", Sorted(response))}}}.", name);
        }

        try
        {
            return TensorReader.Read(proto, limitBytes);
        }
        catch (TensorFormatException exception)
        {
            throw new UnexpectedResponseException($"Output '{name}' cannot be read: {exception.Message}", name, exception);
        }
    }
}
