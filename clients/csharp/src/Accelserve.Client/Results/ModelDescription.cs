using Tensorflow;
using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>What a model takes and gives.</summary>
public sealed record ModelDescription
{
    internal const string SignatureField = "signature_def";

    /// <summary>Name of the model that answered.</summary>
    public required string Name { get; init; }

    /// <summary>The version that answered.</summary>
    public required long Version { get; init; }

    /// <summary>The ways to call it, by name.</summary>
    public required IReadOnlyDictionary<string, SignatureDescription> Signatures { get; init; }

    /// <summary>Reads the answer of GetModelMetadata.</summary>
    /// <exception cref="UnexpectedResponseException">It holds no signatures.</exception>
    internal static ModelDescription From(GetModelMetadataResponse response)
    {
        if (!response.Metadata.TryGetValue(SignatureField, out var packed)
            || !packed.TryUnpack<SignatureDefMap>(out var signatures))
        {
            throw new UnexpectedResponseException("The response of GetModelMetadata has no signatures.");
        }

        return new ModelDescription
        {
            Name = response.ModelSpec?.Name ?? "",
            Version = response.ModelSpec?.Version ?? 0,
            Signatures = Sorted(signatures.SignatureDef, SignatureDescription.From),
        };
    }

    internal static SortedDictionary<string, TValue> Sorted<TSource, TValue>(
        IEnumerable<KeyValuePair<string, TSource>> pairs, Func<TSource, TValue> convert)
    {
        var sorted = new SortedDictionary<string, TValue>(StringComparer.Ordinal);
        foreach (var pair in pairs)
        {
            sorted.Add(pair.Key, convert(pair.Value));
        }

        return sorted;
    }
}

/// <summary>A way to call a model.</summary>
public sealed record SignatureDescription
{
    /// <summary><c>tensorflow/serving/predict</c> and the like.</summary>
    public required string MethodName { get; init; }

    /// <summary>By the names that requests use.</summary>
    public required IReadOnlyDictionary<string, TensorDescription> Inputs { get; init; }

    /// <summary>By the names that responses use.</summary>
    public required IReadOnlyDictionary<string, TensorDescription> Outputs { get; init; }

    internal static SignatureDescription From(SignatureDef signature) => new()
    {
        MethodName = signature.MethodName,
        Inputs = ModelDescription.Sorted(signature.Inputs, TensorDescription.From),
        Outputs = ModelDescription.Sorted(signature.Outputs, TensorDescription.From),
    };
}

/// <summary>An input or output.</summary>
public sealed record TensorDescription
{
    /// <summary>Of the tensor behind the alias; some models have none.</summary>
    public required string Name { get; init; }

    /// <summary>TensorFlow's element type.</summary>
    public required DataType DataType { get; init; }

    /// <summary>The dimensions; <see langword="null"/> is one of any size, and instead of the list any number of
    /// dimensions.</summary>
    public required IReadOnlyList<long?>? Shape { get; init; }

    internal static TensorDescription From(TensorInfo info) => new()
    {
        Name = info.Name,
        DataType = info.Dtype,
        Shape = info.TensorShape is { UnknownRank: true }
            ? null
            : info.TensorShape?.Dim.Select(static dim => dim.Size >= 0 ? dim.Size : (long?)null).ToArray() ?? [],
    };
}
