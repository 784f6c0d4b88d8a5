namespace Accelserve.Client;

/// <summary>A <c>TensorProto</c> that is no tensor: its shape, element type and data do not fit each other, or it takes
/// more room than is allowed.</summary>
public sealed class TensorFormatException : FormatException
{
    /// <summary>Makes one.</summary>
    /// <param name="message">What was expected and what was found.</param>
    public TensorFormatException(string message)
        : base(message)
    {
    }
}
