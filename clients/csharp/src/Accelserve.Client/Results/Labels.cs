using Google.Protobuf;
using Tensorflow;
using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>Names of classes, as accelserve's metadata have them.</summary>
internal static class Labels
{
    public const string MetadataField = "labels";

    /// <exception cref="UnexpectedResponseException">They are there, but no strings.</exception>
    public static IReadOnlyList<string> From(GetModelMetadataResponse response)
    {
        if (!response.Metadata.TryGetValue(MetadataField, out var packed))
        {
            return [];
        }

        if (!packed.TryUnpack<TensorProto>(out var proto))
        {
            throw new UnexpectedResponseException($"Expected a tensor of labels, got {packed.TypeUrl}.");
        }

        return proto.Dtype is DataType.DtString
            ? [.. proto.StringVal.Select(static label => label.ToStringUtf8())]
            : throw new UnexpectedResponseException($"Expected labels as strings, got {ElementTypes.NameOf(proto.Dtype)}.");
    }
}
