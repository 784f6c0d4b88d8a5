"""Who answers: TensorFlow Serving's gRPC and REST, over servables of the models room."""
