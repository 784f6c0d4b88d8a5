namespace Accelserve.Client;

/// <summary>Files, without blocking a thread.</summary>
internal static class Files
{
#if NET
    public static Task<byte[]> ReadAsync(string path, CancellationToken cancellationToken) =>
        File.ReadAllBytesAsync(path, cancellationToken);
#else
    public static async Task<byte[]> ReadAsync(string path, CancellationToken cancellationToken)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, useAsync: true);
        var bytes = new byte[file.Length];
        for (var read = 0; read < bytes.Length;)
        {
            var count = await file.ReadAsync(bytes, read, bytes.Length - read, cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                throw new EndOfStreamException($"{path} became shorter while it was read.");
            }

            read += count;
        }

        return bytes;
    }
#endif

    /// <summary>The next so many, or those that are left.</summary>
    public static List<string> Take(IEnumerator<string> paths, int count)
    {
        var taken = new List<string>();
        while (taken.Count < count && paths.MoveNext())
        {
            taken.Add(paths.Current);
        }

        return taken;
    }
}
